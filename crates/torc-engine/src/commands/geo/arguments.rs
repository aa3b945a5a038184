//! Reading positions, units and lengths, with Redis's error texts.

use torc_resp::number::parse_f64;

use super::distance::Unit;
use super::grid::{LATITUDE_MAX, LONGITUDE_MAX, Position};
use crate::error::CommandError;

/// A longitude and a latitude.
#[inline]
pub fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, CommandError> {
    let degrees = |argument| parse_f64(argument).ok_or(CommandError::NotAFloat);
    let (longitude, latitude) = (degrees(longitude)?, degrees(latitude)?);
    if longitude.abs() > LONGITUDE_MAX || latitude.abs() > LATITUDE_MAX {
        let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        return Err(CommandError::made(text));
    }
    Ok(Position { longitude, latitude })
}

/// A unit of length.
pub fn unit(argument: &[u8]) -> Result<Unit, CommandError> {
    let refusal = CommandError::fixed("ERR unsupported unit provided. please use M, KM, FT, MI");
    Unit::parse(argument).ok_or(refusal)
}

/// The radius of a circle: a length and its unit.
pub fn radius(length: &[u8], unit_name: &[u8]) -> Result<(f64, Unit), CommandError> {
    let radius = parse_f64(length).ok_or(CommandError::fixed("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(CommandError::fixed("ERR radius cannot be negative"));
    }
    Ok((radius, unit(unit_name)?))
}

/// Width and height of a box, and their unit.
pub fn sides(width: &[u8], height: &[u8], unit_name: &[u8]) -> Result<(f64, f64, Unit), CommandError> {
    let width = parse_f64(width).ok_or(CommandError::fixed("ERR need numeric width"))?;
    let height = parse_f64(height).ok_or(CommandError::fixed("ERR need numeric height"))?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::fixed("ERR height or width cannot be negative"));
    }
    Ok((width, height, unit(unit_name)?))
}
