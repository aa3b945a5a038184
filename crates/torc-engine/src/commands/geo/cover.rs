//! The cells that a search must look at: the one around its center and those of the eight around it that the shape can reach, at a
//! step at which they hold all of it.

use super::grid::{Cell, Position, STEP_MAX};
use super::shape::Shape;

/// Half the earth's girth on the map, meters: what a cell of step 1 is wide.
const HALF_GIRTH_M: f64 = 20_037_726.37;

/// The neighbours in the order in which they are searched: columns to the east, rows to the north.
const NEIGHBOURS: [(i32, i32); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// The cells to look at, in the order of the search; each once.
#[derive(Clone, Copy, Debug)]
pub struct Cover {
    cells: [Option<Cell>; 9],
}

impl Cover {
    /// The cells that hold a shape.
    pub fn of(shape: &Shape) -> Cover {
        let (center, bounds) = (shape.center(), shape.bounds());
        let mut step = step_for(shape.reach_m(), center);
        let mut middle = Cell::around(center, step);
        // At the border of its cell the shape may reach beyond the next one.
        let is_short = middle.neighbour(0, 1).area().north < bounds.north
            || middle.neighbour(0, -1).area().south > bounds.south
            || middle.neighbour(1, 0).area().east < bounds.east
            || middle.neighbour(-1, 0).area().west > bounds.west;
        if step > 1 && is_short {
            step -= 1;
            middle = Cell::around(center, step);
        }
        let area = middle.area();
        let is_useful = |(columns, rows): (i32, i32)| {
            let ends_before = (rows < 0 && area.south < bounds.south)
                || (rows > 0 && area.north > bounds.north)
                || (columns < 0 && area.west < bounds.west)
                || (columns > 0 && area.east > bounds.east);
            step < 2 || !ends_before
        };
        let mut cells = [Some(middle), None, None, None, None, None, None, None, None];
        let mut last = None;
        for (cell, neighbour) in cells[1..].iter_mut().zip(NEIGHBOURS) {
            let candidate = middle.neighbour(neighbour.0, neighbour.1);
            // With two columns and two rows the neighbours on both sides are one.
            if is_useful(neighbour) && last != Some(candidate) {
                (*cell, last) = (Some(candidate), Some(candidate));
            }
        }
        Cover { cells }
    }

    /// The cells.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        self.cells.into_iter().flatten()
    }
}

/// The step at which three cells side by side are wide enough for a circle, nearly always.
fn step_for(radius_m: f64, center: Position) -> u32 {
    if radius_m == 0.0 {
        return STEP_MAX;
    }
    let (mut width_m, mut step) = (radius_m, 1_i32);
    while width_m < HALF_GIRTH_M && step <= STEP_MAX as i32 + 4 {
        width_m *= 2.0;
        step += 1;
    }
    step -= 2;
    // Columns are narrow towards the poles.
    for latitude in [66.0, 80.0] {
        step -= i32::from(center.latitude.abs() > latitude);
    }
    step.clamp(1, STEP_MAX as i32) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::shape::Form;
    use super::*;

    #[test]
    fn steps_follow_the_radius() {
        let equator = Position { longitude: 0.0, latitude: 0.0 };
        let north = Position { longitude: 0.0, latitude: 81.0 };
        assert_eq!(step_for(0.0, equator), 26);
        assert_eq!(step_for(1e-300, equator), 26);
        assert_eq!(step_for(200_000.0, equator), 6);
        assert_eq!(step_for(200_000.0, north), 4);
        assert_eq!(step_for(f64::INFINITY, equator), 1);
    }

    #[test]
    fn no_cell_is_looked_at_twice() {
        for radius_m in [1.0, 1e6, 5e6, 1e7, 1e8, f64::INFINITY] {
            for (longitude, latitude) in [(0.0, 0.0), (180.0, 85.05112878), (-180.0, -85.0), (90.0, 45.0)] {
                let shape = Shape::new(Form::Circle { radius_m }, Position { longitude, latitude });
                let mut scores: Vec<f64> = Cover::of(&shape).cells().map(|cell| cell.scores().0).collect();
                scores.sort_by(f64::total_cmp);
                scores.dedup();
                assert_eq!(scores.len(), Cover::of(&shape).cells().count(), "{radius_m} {longitude} {latitude}");
            }
        }
    }

    proptest! {
        #[test]
        fn cells_hold_what_lies_inside(
            longitude in -170.0..170.0, latitude in -60.0..60.0, radius_m in 1.0..300_000.0_f64, east in -1.0..1.0, north in -1.0..1.0,
        ) {
            let shape = Shape::new(Form::Circle { radius_m }, Position { longitude, latitude });
            let bounds = shape.bounds();
            let place = Position {
                longitude: longitude + east * (bounds.east - longitude),
                latitude: latitude + north * (bounds.north - latitude),
            };
            let score = place.score();
            let is_found = Cover::of(&shape).cells().any(|cell| cell.scores().0 <= score && score < cell.scores().1);
            prop_assert!(is_found || !shape.contains(Position::of_score(score)));
        }
    }
}
