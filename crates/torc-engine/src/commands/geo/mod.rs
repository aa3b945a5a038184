//! Places on earth, in sorted sets whose scores are geohashes: integers of 52 bits that interleave longitude and latitude, so that
//! places in one cell of a grid are neighbours in the order of the set.
//!
//! ```text
//! grid       positions, the cells of the grid, and their numbers     distance   along the surface; units; quick estimates
//! arguments  reading positions, units and lengths                    text       coordinates and distances in replies
//!
//! request    what a search is asked for                              shape      circle, box, polygon: which places lie inside
//! cover      the cells a search must look at                         search     GEOSEARCH and its relatives, over one or several cores
//! ```
//!
//! A search turns its shape into up to nine cells, reads the range of scores of each, decodes each score to a position, and keeps
//! what lies inside. Nothing is copied for a candidate; sorting and distances happen only when they are asked for.

use super::family;
use crate::command::{Route, Row};

mod arguments;
mod cover;
mod distance;
mod grid;
mod request;
mod search;
mod shape;
mod text;

family!(
    geoadd,
    geodist,
    geohash,
    geopos,
    georadius,
    georadius_ro,
    georadiusbymember,
    georadiusbymember_ro,
    geosearch,
    geosearchstore,
);

/// What the rows of the family start from.
const ROW_DEFAULT: Row = Row { group: "geo", categories: &["geo"], route: Route::Owner, ..Row::DEFAULT };
