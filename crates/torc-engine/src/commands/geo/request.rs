//! What a search is asked for: its shape, which of the places inside are wanted, and what the reply says of them.
//!
//! Arguments are read from the left, and what is wrong first is the error, as in Redis: a member that stands for a position is looked up
//! while reading, so that a request is read where its set is.

use torc_resp::{Args, number};
use torc_store::sorted_set::SortedSetRef;

use super::arguments;
use super::distance::Unit;
use super::grid::Position;
use super::shape::{Form, Shape};
use crate::command::integer_argument;
use crate::error::CommandError;

/// What a command's name already says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// GEOSEARCH: words say everything.
    Search,
    /// GEOSEARCHSTORE: the same, with a destination in front.
    SearchStore,
    /// GEORADIUS, GEORADIUS_RO: position and radius stand in front.
    Radius {
        /// Whether STORE and STOREDIST are known.
        stores: bool,
    },
    /// GEORADIUSBYMEMBER, GEORADIUSBYMEMBER_RO: member and radius stand in front.
    RadiusByMember {
        /// Whether STORE and STOREDIST are known.
        stores: bool,
    },
}

impl Grammar {
    /// What is told of a key that gets what was found.
    pub fn stored(self) -> &'static str {
        match self {
            Grammar::Search | Grammar::SearchStore => "geosearchstore",
            Grammar::Radius { .. } | Grammar::RadiusByMember { .. } => "georadiusstore",
        }
    }
}

/// In which order places are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The nearest first.
    Ascending,
    /// The farthest first.
    Descending,
}

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Where to look; `None`: there is no set to look into.
    pub shape: Option<Shape>,
    /// The unit of distances.
    pub unit: Unit,
    /// What the reply says of each place.
    pub with: With,
    /// The order; `None`: as they are found.
    pub order: Option<Order>,
    /// Most places.
    pub count: Option<usize>,
    /// Whether any places will do, rather than the first in order.
    pub any: bool,
    /// The key that gets the places.
    pub store: Option<&'a [u8]>,
    /// Whether distances become their scores.
    pub stores_distances: bool,
}

/// What a reply says of each place beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct With {
    /// The distance from the center.
    pub distance: bool,
    /// The geohash.
    pub hash: bool,
    /// The position.
    pub coordinates: bool,
}

/// Half a request.
struct Reader<'a, 's> {
    grammar: Grammar,
    set: Option<SortedSetRef<'s>>,
    args: Args<'a>,
    at: usize,
    center: Center,
    form: Option<Form>,
    unit: Unit,
    with: With,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    store: Option<&'a [u8]>,
    stores_distances: bool,
}

/// The center, as far as it is known.
#[derive(Clone, Copy, PartialEq)]
enum Center {
    Missing,
    At(Position),
    OfMember(Position),
    /// Of a member of a set that is not there.
    Nowhere,
}

const UNDECODABLE: CommandError = CommandError::fixed("ERR could not decode requested zset member");

impl Grammar {
    fn is_search(self) -> bool {
        matches!(self, Grammar::Search | Grammar::SearchStore)
    }

    fn knows_store(self) -> bool {
        matches!(self, Grammar::Radius { stores: true } | Grammar::RadiusByMember { stores: true })
    }
}

impl<'a> Request<'a> {
    /// Reads a request about a set; `None`: there is none.
    pub fn parse(grammar: Grammar, args: Args<'a>, set: Option<SortedSetRef<'_>>) -> Result<Request<'a>, CommandError> {
        let mut reader = Reader {
            grammar,
            set,
            args,
            at: 0,
            center: Center::Missing,
            form: None,
            unit: Unit::METER,
            with: With::default(),
            order: None,
            count: None,
            any: false,
            store: None,
            stores_distances: false,
        };
        reader.read_front()?;
        while reader.at < args.len() {
            reader.read_option()?;
        }
        reader.check()?;
        Ok(reader.finish())
    }

    /// Whether distances are used for anything.
    pub fn needs_distances(&self) -> bool {
        self.with.distance || self.stores_distances || self.order.is_some()
    }
}

impl<'a> Reader<'a, '_> {
    /// Reads what stands in front of the options.
    fn read_front(&mut self) -> Result<(), CommandError> {
        let args = self.args;
        match self.grammar {
            Grammar::Search => self.at = 2,
            Grammar::SearchStore => {
                self.store = Some(args.get(1));
                self.at = 3;
            }
            Grammar::Radius { .. } => {
                self.center = Center::At(arguments::position(args.get(2), args.get(3))?);
                self.read_circle(4)?;
                self.at = 6;
            }
            Grammar::RadiusByMember { .. } => {
                self.center = self.member_position(args.get(2))?;
                // Without a set, the radius is not even read.
                if self.set.is_some() {
                    self.read_circle(3)?;
                }
                self.at = 5;
            }
        }
        Ok(())
    }

    fn read_option(&mut self) -> Result<(), CommandError> {
        let option = self.args.get(self.at);
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        let is_search = self.grammar.is_search();
        match () {
            () if is(b"withdist") => self.with.distance = true,
            () if is(b"withhash") => self.with.hash = true,
            () if is(b"withcoord") => self.with.coordinates = true,
            () if is(b"any") => self.any = true,
            () if is(b"asc") => self.order = Some(Order::Ascending),
            () if is(b"desc") => self.order = Some(Order::Descending),
            () if is(b"count") && self.has(1) => {
                let count = integer_argument(self.take(1).get(0))?;
                let refusal = CommandError::fixed("ERR COUNT must be > 0");
                self.count = Some(usize::try_from(count).ok().filter(|&count| count > 0).ok_or(refusal)?);
            }
            () if (is(b"store") || is(b"storedist")) && self.has(1) && self.grammar.knows_store() => {
                self.stores_distances = option.len() > b"store".len();
                self.store = Some(self.take(1).get(0));
            }
            () if is(b"storedist") && self.grammar == Grammar::SearchStore => self.stores_distances = true,
            () if is_search => return self.read_place(option),
            () => return Err(CommandError::Syntax),
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the center or the form of a search. Each has one of its kind.
    fn read_place(&mut self, option: &[u8]) -> Result<(), CommandError> {
        let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
        let (center, form) = (self.center, self.form.as_ref());
        let is_polygon = matches!(form, Some(Form::Polygon(_)));
        let by_member = matches!(center, Center::OfMember(_) | Center::Nowhere);
        match () {
            () if is(b"frommember") && self.has(1) && !matches!(center, Center::At(_)) && !is_polygon => {
                let member = self.take(1).get(0);
                self.center = self.member_position(member)?;
            }
            () if is(b"fromlonlat") && self.has(2) && !by_member && !is_polygon => {
                let given = self.take(2);
                self.center = Center::At(arguments::position(given.get(0), given.get(1))?);
            }
            () if is(b"byradius") && self.has(2) && matches!(form, None | Some(Form::Circle { .. })) => {
                self.read_circle(self.at + 1)?;
                self.at += 2;
            }
            () if is(b"bybox") && self.has(3) && matches!(form, None | Some(Form::Box { .. })) => {
                let given = self.take(3);
                let (width, height, unit) = arguments::sides(given.get(0), given.get(1), given.get(2))?;
                self.form = Some(Form::Box { width_m: width * unit.meters, height_m: height * unit.meters });
                self.unit = unit;
            }
            () if is(b"bypolygon") && self.has(2) && center == Center::Missing && (form.is_none() || is_polygon) => {
                self.read_polygon()?;
            }
            () => return Err(CommandError::Syntax),
        }
        self.at += 1;
        Ok(())
    }

    fn read_circle(&mut self, at: usize) -> Result<(), CommandError> {
        let (radius, unit) = arguments::radius(self.args.get(at), self.args.get(at + 1))?;
        self.form = Some(Form::Circle { radius_m: radius * unit.meters });
        self.unit = unit;
        Ok(())
    }

    fn read_polygon(&mut self) -> Result<(), CommandError> {
        let refusal = CommandError::fixed("ERR invalid number of vertices");
        let count =
            number::parse_i64(self.take(1).get(0)).and_then(|count| i32::try_from(count).ok()).ok_or(refusal)?;
        let possible = (self.args.len() - self.at - 1) / 2;
        let Some(count) = usize::try_from(count).ok().filter(|count| (3..=possible).contains(count)) else {
            return Err(CommandError::fixed("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"));
        };
        let given = self.take(2 * count);
        let corner = |number: usize| arguments::position(given.get(2 * number), given.get(2 * number + 1));
        self.form = Some(Form::Polygon((0..count).map(corner).collect::<Result<_, _>>()?));
        self.unit = Unit::METER;
        Ok(())
    }

    fn member_position(&self, member: &[u8]) -> Result<Center, CommandError> {
        let Some(set) = self.set else { return Ok(Center::Nowhere) };
        set.score(member).map(|score| Center::OfMember(Position::of_score(score))).ok_or(UNDECODABLE)
    }

    /// Whether so many arguments follow the present one.
    fn has(&self, count: usize) -> bool {
        self.at + count < self.args.len()
    }

    /// The arguments that follow the present one; the last of them is the present one then.
    fn take(&mut self, count: usize) -> Args<'a> {
        let start = self.at + 1;
        self.at += count;
        self.args.range(start..start + count)
    }

    /// Whether all that must be given is, and nothing that contradicts it.
    fn check(&self) -> Result<(), CommandError> {
        let name = self.args.name();
        let is_search = self.grammar.is_search();
        if self.store.is_some() && self.with != With::default() {
            let what = if is_search { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            let text = format!("ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
            return Err(CommandError::made(text));
        }
        if is_search && self.center == Center::Missing && !matches!(self.form, Some(Form::Polygon(_))) {
            let text = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}";
            return Err(CommandError::quoting(text, &[name]));
        }
        if is_search && self.form.is_none() {
            let text = "ERR exactly one of BYRADIUS and BYBOX can be specified for {}";
            return Err(CommandError::quoting(text, &[name]));
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::fixed("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    fn finish(self) -> Request<'a> {
        // A polygon has its own center.
        const SOMEWHERE: Position = Position { longitude: 0.0, latitude: 0.0 };
        let center = match self.center {
            Center::At(position) | Center::OfMember(position) => position,
            Center::Missing | Center::Nowhere => SOMEWHERE,
        };
        // Of a part of the places the nearest are meant.
        let nearest = (self.count.is_some() && !self.any).then_some(Order::Ascending);
        Request {
            shape: self.form.filter(|_| self.set.is_some()).map(|form| Shape::new(form, center)),
            unit: self.unit,
            with: self.with,
            order: self.order.or(nearest),
            count: self.count,
            any: self.any,
            store: self.store,
            stores_distances: self.stores_distances,
        }
    }
}
