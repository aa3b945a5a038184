//! LOLWUT [VERSION version] [columns [rows]]: draws a torc, the twisted neck ring, and tells the version.

use std::f64::consts::{PI, TAU};

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run, integer_argument};
use crate::error::CommandResult;
use crate::random::Random;
use crate::session::SessionContext;
use crate::version::{REDIS_VERSION, TORC_VERSION};

pub(super) static ROW: Row = Row {
    name: "lolwut",
    arity: -1,
    flags: Flags::READONLY.and(Flags::FAST),
    run: Run::Session(lolwut),
    complexity: "",
    since: "5.0.0",
    group: "server",
    summary: "Displays computer art and the version.",
    syntax: "[VERSION version]",
    ..Row::DEFAULT
};

const COLUMNS_DEFAULT: i64 = 60;
const ROWS_DEFAULT: i64 = 26;

/// From shadow to light.
const SHADES: &[u8] = b".:-=+*#%@";

fn lolwut(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut options = args.from(1);
    if options.len() >= 2 && options.get(0).eq_ignore_ascii_case(b"version") {
        integer_argument(options.get(1))?;
        options = options.from(2);
    }
    let number = |index: usize, default: i64| match index < options.len() {
        true => integer_argument(options.get(index)),
        false => Ok(default),
    };
    // Arguments of older versions' drawings are accepted, so that whoever passes them gets a picture too.
    let columns = number(0, COLUMNS_DEFAULT).unwrap_or(COLUMNS_DEFAULT).clamp(16, 160);
    let rows = number(1, ROWS_DEFAULT).unwrap_or(ROWS_DEFAULT).clamp(8, 80);
    let mut text = draw(context.random(), columns as usize, rows as usize);
    // Clients look for the words "Redis ver.".
    text.push_str(&format!("\nTorc ver. {TORC_VERSION}, Redis ver. {REDIS_VERSION}\n"));
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// A ring that is open below, with strands wound around it and a knob at each end.
fn draw(random: &mut Random, columns: usize, rows: usize) -> String {
    let twists = 9 + random.below(16);
    let strands = 1.0 + random.below(3) as f64;
    let gap = 0.42 + random.below(20) as f64 / 100.0;
    let light = random.below(1000) as f64 / 1000.0 * TAU;
    let thickness = 0.17;
    let mut text = String::with_capacity((columns + 1) * rows);
    for row in 0..rows {
        let mut line = String::with_capacity(columns);
        for column in 0..columns {
            let x = (column as f64 + 0.5) / columns as f64 * 2.4 - 1.2;
            let y = (row as f64 + 0.5) / rows as f64 * 2.4 - 1.2;
            line.push(shade(x, y, twists as f64, strands, gap, light, thickness));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn shade(x: f64, y: f64, twists: f64, strands: f64, gap: f64, light: f64, thickness: f64) -> char {
    // The angle is zero at the top; the opening is where it reaches half a turn.
    let angle = x.atan2(-y);
    let across = (x.hypot(y) - 0.9) / thickness;
    let (end_x, end_y) = ((PI - gap).sin() * 0.9 * x.signum(), -(PI - gap).cos() * 0.9);
    if (x - end_x).hypot(y - end_y) < thickness * 1.35 {
        return '@';
    }
    if across.abs() > 1.0 || PI - angle.abs() < gap {
        return ' ';
    }
    let strand = (angle * twists + across * strands * 2.0).sin();
    let lit = 0.35 * (angle - light).cos() + 0.25 * (1.0 - across.abs());
    let brightness = ((strand * 0.5 + lit + 0.6) / 1.7).clamp(0.0, 0.999);
    char::from(SHADES[(brightness * SHADES.len() as f64) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_picture_and_seeds_differ() {
        let draw_with = |seed| draw(&mut Random::new(seed), 60, 26);
        assert_eq!(draw_with(1), draw_with(1));
        assert_ne!(draw_with(1), draw_with(2));
        assert_eq!(draw_with(1).lines().count(), 26);
        assert!(draw_with(3).lines().all(|line| line.len() <= 60));
    }
}
