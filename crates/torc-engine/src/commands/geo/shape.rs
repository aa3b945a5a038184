//! Where a search looks: in a circle or a box around a position, or in a polygon.

use super::distance::{EARTH_RADIUS_M, Limit, Origin, along_meridian, degrees, is_within_parallel, radians};
use super::grid::{Area, Position};

/// A form, without its place.
#[derive(Clone, Debug)]
pub enum Form {
    /// So many meters around.
    Circle { radius_m: f64 },
    /// So many meters to the east and west, and to the north and south, together.
    Box { width_m: f64, height_m: f64 },
    /// Between these corners, whose place is given with them.
    Polygon(Vec<Position>),
}

/// A form at its place, ready to be asked about positions.
#[derive(Clone, Debug)]
pub struct Shape {
    form: Form,
    center: Position,
    origin: Origin,
    /// Of the circle: its radius; of the box: half of its width.
    limit: Limit,
}

impl Shape {
    /// A form around a position; a polygon has a center of its own.
    pub fn new(form: Form, center: Position) -> Shape {
        let (center, limit_m) = match &form {
            Form::Circle { radius_m } => (center, *radius_m),
            Form::Box { width_m, .. } => (center, width_m / 2.0),
            Form::Polygon(corners) => (middle(corners), 0.0),
        };
        Shape { form, center, origin: Origin::new(center), limit: Limit::new(limit_m) }
    }

    /// The center.
    pub fn center(&self) -> Position {
        self.center
    }

    /// Distance of a place from the center, meters.
    #[inline]
    pub fn distance(&self, place: Position) -> f64 {
        self.origin.distance(place)
    }

    /// Whether a place lies inside.
    #[inline]
    pub fn contains(&self, place: Position) -> bool {
        match &self.form {
            Form::Circle { .. } => self.origin.is_within(place, self.limit),
            Form::Box { height_m, .. } => {
                along_meridian(place.latitude, self.center.latitude) <= height_m / 2.0
                    && is_within_parallel(place.latitude, place.longitude, self.center.longitude, self.limit)
            }
            Form::Polygon(corners) => surround(corners, place),
        }
    }

    /// The least rectangle of longitudes and latitudes around it; may reach beyond the limits of both.
    pub fn bounds(&self) -> Area {
        let (width_m, height_m) = match &self.form {
            Form::Circle { radius_m } => (*radius_m, *radius_m),
            Form::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
            Form::Polygon(corners) => return bounds_of(corners),
        };
        let Position { longitude, latitude } = self.center;
        let up = degrees(height_m / EARTH_RADIUS_M);
        // Meridians are closest to each other at the side that is nearer to a pole.
        let nearest_pole = if latitude < 0.0 { latitude - up } else { latitude + up };
        let across = degrees(width_m / EARTH_RADIUS_M / radians(nearest_pole).cos());
        Area { west: longitude - across, east: longitude + across, south: latitude - up, north: latitude + up }
    }

    /// The radius of a circle around the center that holds all of it, meters.
    pub fn reach_m(&self) -> f64 {
        match &self.form {
            Form::Circle { radius_m } => *radius_m,
            Form::Box { width_m, height_m } => ((width_m / 2.0).powi(2) + (height_m / 2.0).powi(2)).sqrt(),
            Form::Polygon(corners) => {
                let Area { west, east, south, north } = bounds_of(corners);
                let corners = [(west, north), (east, north), (west, south), (east, south)];
                let distances = corners.map(|(longitude, latitude)| self.distance(Position { longitude, latitude }));
                distances.into_iter().fold(0.0, f64::max)
            }
        }
    }
}

fn bounds_of(corners: &[Position]) -> Area {
    let mut area = Area { west: f64::INFINITY, east: -f64::INFINITY, south: f64::INFINITY, north: -f64::INFINITY };
    for corner in corners {
        area.west = area.west.min(corner.longitude);
        area.east = area.east.max(corner.longitude);
        area.south = area.south.min(corner.latitude);
        area.north = area.north.max(corner.latitude);
    }
    area
}

/// Below the middle of the corners, taken as points in space.
fn middle(corners: &[Position]) -> Position {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (radians(corner.longitude), radians(corner.latitude));
        x += EARTH_RADIUS_M * latitude.cos() * longitude.cos();
        y += EARTH_RADIUS_M * latitude.cos() * longitude.sin();
        z += EARTH_RADIUS_M * latitude.sin();
    }
    let count = corners.len() as f64;
    (x, y, z) = (x / count, y / count, z / count);
    Position { longitude: degrees(y.atan2(x)), latitude: degrees(z.atan2((x * x + y * y).sqrt())) }
}

/// Whether a place lies within the polygon of these corners, on a map where degrees are of equal length: whether a ray from it to the
/// east crosses an odd number of sides.
fn surround(corners: &[Position], place: Position) -> bool {
    let Position { longitude: x, latitude: y } = place;
    let mut previous = corners[corners.len() - 1];
    let mut is_inside = false;
    for &corner in corners {
        let spans = (corner.latitude > y) != (previous.latitude > y);
        let crossing = || {
            let (width, height) = (previous.longitude - corner.longitude, previous.latitude - corner.latitude);
            width * (y - corner.latitude) / height + corner.longitude
        };
        is_inside ^= spans && x < crossing();
        previous = corner;
    }
    is_inside
}

#[cfg(test)]
mod tests {
    use super::super::distance::between;
    use super::*;

    fn at(longitude: f64, latitude: f64) -> Position {
        Position { longitude, latitude }
    }

    #[test]
    fn circles_and_boxes_end_at_their_limits() {
        let circle = Shape::new(Form::Circle { radius_m: 200_000.0 }, at(15.0, 37.0));
        assert!(circle.contains(at(13.361389, 38.115556)));
        assert!(!circle.contains(at(12.758489, 38.788135)));
        let wide = Shape::new(Form::Box { width_m: 400_000.0, height_m: 400_000.0 }, at(15.0, 37.0));
        assert!(wide.contains(at(12.758489, 38.788135)));
        assert!(!wide.contains(at(15.0, 38.9)));
        assert!(!wide.contains(at(17.5, 37.0)));
    }

    #[test]
    fn polygons_hold_what_their_sides_surround() {
        let corners = vec![at(0.0, 0.0), at(10.0, 0.0), at(10.0, 10.0), at(5.0, 5.0), at(0.0, 10.0)];
        let polygon = Shape::new(Form::Polygon(corners), at(0.0, 0.0));
        for (place, is_inside) in
            [(at(1.0, 8.0), true), (at(9.0, 8.0), true), (at(5.0, 8.0), false), (at(-1.0, 5.0), false)]
        {
            assert_eq!(polygon.contains(place), is_inside, "{place:?}");
        }
        assert!(between(polygon.center(), at(5.0, 5.0)) < 100_000.0);
        assert_eq!(polygon.bounds(), Area { west: 0.0, east: 10.0, south: 0.0, north: 10.0 });
        assert!(polygon.reach_m() >= polygon.distance(at(10.0, 10.0)));
    }

    #[test]
    fn bounds_are_wider_towards_the_poles() {
        let width = |latitude| {
            let area = Shape::new(Form::Circle { radius_m: 100_000.0 }, at(0.0, latitude)).bounds();
            area.east - area.west
        };
        assert!(width(60.0) > width(0.0));
        assert_eq!(width(60.0), width(-60.0));
    }
}
