//! Distances along the surface of the earth, which is a sphere here, in meters.
//!
//! The haversine formula first makes a number of two positions, `sin^2` of half the angle between them, and then the distance of
//! that number. Whether a distance is within a limit can be told by the number alone, and by an estimate of it unless it is very close to
//! the limit's own: [`Limit`]. A search rejects most candidates so, without one call of a library function.

use std::f64::consts::{FRAC_PI_2, PI};

use super::grid::Position;

/// Radius of the earth, meters.
pub const EARTH_RADIUS_M: f64 = 6372797.560856;

/// What π is more than the nearest `f64`.
const PI_REST: f64 = 1.224_646_799_147_353_2e-16;
/// Estimates are much better than this, relatively.
const MARGIN: f64 = 1e-9;

/// Degrees to radians.
#[inline]
pub fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

/// Radians to degrees.
#[inline]
pub fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

/// A unit of length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Meters of one.
    pub meters: f64,
}

impl Unit {
    /// The meter.
    pub const METER: Unit = Unit { meters: 1.0 };

    /// The unit of this name, in any case.
    pub fn parse(name: &[u8]) -> Option<Unit> {
        let units = [(&b"m"[..], 1.0), (b"km", 1000.0), (b"ft", 0.3048), (b"mi", 1609.34)];
        let unit = units.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
        Some(Unit { meters: unit.1 })
    }
}

/// Between two positions.
pub fn between(a: Position, b: Position) -> f64 {
    Origin::new(a).distance(b)
}

/// Between two latitudes on one meridian.
#[inline]
pub fn along_meridian(latitude_a: f64, latitude_b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(latitude_b) - radians(latitude_a)).abs()
}

/// A position from which several distances are measured.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    position: Position,
    longitude: f64,
    latitude: f64,
    latitude_cos: f64,
}

impl Origin {
    /// At a position.
    pub fn new(position: Position) -> Origin {
        let latitude = radians(position.latitude);
        Origin { position, longitude: radians(position.longitude), latitude, latitude_cos: latitude.cos() }
    }

    /// The distance of a place.
    #[inline]
    pub fn distance(&self, place: Position) -> f64 {
        let across = ((radians(place.longitude) - self.longitude) / 2.0).sin();
        if across == 0.0 {
            return along_meridian(self.position.latitude, place.latitude);
        }
        let latitude = radians(place.latitude);
        let up = ((latitude - self.latitude) / 2.0).sin();
        let square = up * up + self.latitude_cos * latitude.cos() * across * across;
        2.0 * EARTH_RADIUS_M * square.sqrt().asin()
    }

    /// Whether a place is not farther away than a limit.
    #[inline]
    pub fn is_within(&self, place: Position, limit: Limit) -> bool {
        let latitude = radians(place.latitude);
        let up = sine((latitude - self.latitude) / 2.0);
        let across = sine((radians(place.longitude) - self.longitude) / 2.0);
        let square = up * up + self.latitude_cos * cosine(latitude) * across * across;
        limit.admits(square, || self.distance(place))
    }
}

/// Between two longitudes on one parallel, straight: whether that is not farther than a limit.
#[inline]
pub fn is_within_parallel(latitude: f64, longitude_a: f64, longitude_b: f64, limit: Limit) -> bool {
    let (cos, across) = (cosine(radians(latitude)), sine((radians(longitude_b) - radians(longitude_a)) / 2.0));
    limit.admits(cos * cos * across * across, || {
        let place = |longitude| Position { longitude, latitude };
        between(place(longitude_a), place(longitude_b))
    })
}

/// A greatest distance, and what the haversine formula makes of it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    meters: f64,
    /// An estimate below is within for certain, one above `outside` is not.
    inside: f64,
    outside: f64,
}

impl Limit {
    /// So many meters, not negative.
    pub fn new(meters: f64) -> Limit {
        let sin = (meters / EARTH_RADIUS_M / 2.0).min(FRAC_PI_2).sin();
        let square = sin * sin;
        Limit { meters, inside: square * (1.0 - MARGIN), outside: square * (1.0 + MARGIN) }
    }

    /// Whether a distance whose `sin^2` is estimated, and can be computed, is within.
    #[inline]
    fn admits(self, estimate: f64, distance: impl FnOnce() -> f64) -> bool {
        if estimate > self.outside {
            return false;
        }
        estimate < self.inside || distance() <= self.meters
    }
}

/// An estimate of the magnitude of a sine, for angles between -π and π: its relative error is less than 1e-10.
#[inline]
fn sine(angle: f64) -> f64 {
    let magnitude = angle.abs();
    // A small angle, from either end of the half turn.
    let x = if magnitude > FRAC_PI_2 { (PI - magnitude) + PI_REST } else { magnitude };
    let x2 = x * x;
    let mut sum = -1.0 / 1_307_674_368_000.0;
    for divisor in [6_227_020_800.0, -39_916_800.0, 362_880.0, -5_040.0, 120.0, -6.0, 1.0] {
        sum = sum * x2 + 1.0 / divisor;
    }
    x * sum
}

/// An estimate of a cosine, for angles between -π/2 and π/2.
#[inline]
fn cosine(angle: f64) -> f64 {
    sine(FRAC_PI_2 - angle.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        (-180.0..=180.0, -85.05..=85.05).prop_map(|(longitude, latitude)| Position { longitude, latitude })
    }

    #[test]
    fn known_distances() {
        let palermo = Position { longitude: 13.361389338970184, latitude: 38.1155563954963 };
        let catania = Position { longitude: 15.087267458438873, latitude: 37.50266842333162 };
        assert!((between(palermo, catania) - 166274.1516).abs() < 1e-4);
        assert_eq!(between(palermo, palermo), 0.0);
        let north = Position { latitude: palermo.latitude + 1.0, ..palermo };
        assert_eq!(between(palermo, north), along_meridian(palermo.latitude, north.latitude));
    }

    #[test]
    fn units_have_names_in_any_case() {
        assert_eq!(Unit::parse(b"KM"), Some(Unit { meters: 1000.0 }));
        assert_eq!(Unit::parse(b"m"), Some(Unit::METER));
        assert_eq!(Unit::parse(b"yd"), None);
        assert_eq!(Unit::parse(b""), None);
    }

    proptest! {
        #[test]
        fn estimates_are_close(angle in -PI..=PI) {
            let (estimate, exact) = (sine(angle), angle.sin().abs());
            prop_assert!((estimate - exact).abs() <= exact * 1e-10, "{} {}", estimate, exact);
        }

        #[test]
        fn limits_admit_what_is_not_farther(a in position(), b in position(), factor in 0.999_999_999_f64..1.000_000_001) {
            let distance = between(a, b);
            for meters in [distance, distance * factor, distance * 0.9, distance * 1.1, 0.0, 3e7] {
                prop_assert_eq!(Origin::new(a).is_within(b, Limit::new(meters)), distance <= meters);
            }
        }

        #[test]
        fn limits_hold_on_parallels(a in position(), longitude in -180.0..=180.0, factor in 0.999_999_999_f64..1.000_000_001) {
            let distance = between(a, Position { longitude, ..a });
            for meters in [distance, distance * factor, distance / 2.0, f64::INFINITY] {
                let is_within = is_within_parallel(a.latitude, a.longitude, longitude, Limit::new(meters));
                prop_assert_eq!(is_within, distance <= meters);
            }
        }
    }
}
