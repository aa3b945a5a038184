//! A log without files: what the turns of an engine propagate as it stands in the log, and the way back as a start takes it.
//!
//! ```text
//!   end of a turn --units--> Encoder --> Content --SELECT in front, where the database changes--> bytes
//!   bytes --Reader--> records --requests, MULTI and EXEC--> Engine::open_replay, without time
//! ```

use std::cell::RefCell;
use std::rc::Rc;

use torc_engine::effect::{Propagated, Records};
use torc_engine::{Engine, Taken};
use torc_log::{Encoder, Passage, Reader};
use torc_resp::write_request;

use crate::common::TestCore;

/// The log of all cores of an engine, from its beginning.
pub struct Log {
    core: TestCore,
    cores: u16,
    written: Rc<RefCell<Written>>,
}

#[derive(Default)]
struct Written {
    encoder: Encoder,
    bytes: Vec<u8>,
    selected: Option<u16>,
    /// What was propagated and not asked for yet.
    new: Vec<Propagated>,
}

impl Written {
    /// Takes what the turn of a core has propagated.
    fn take(&mut self, engine: &mut Engine) {
        let Taken::Units(units) = engine.take_units() else { panic!("they are taken each turn") };
        for effects in units.iter() {
            self.new.extend(effects.propagated().map(|(db, request)| Propagated { db, request: request.into() }));
        }
        for records in units.records(0..units.len()) {
            match records {
                Records::OfOne { db, units, requests } => self.encoder.records_of_one(db, units, requests),
                Records::Other(unit) => self.encoder.record(unit.propagated()),
            }
        }
        let content = self.encoder.take();
        let Some((first, last)) = content.databases() else { return };
        if self.selected != Some(first) {
            write_request(&mut self.bytes, &[&b"SELECT"[..], first.to_string().as_bytes()]);
        }
        self.selected = Some(last);
        self.bytes.extend_from_slice(content.bytes());
    }
}

impl Log {
    /// Begins the log of an engine of so many cores.
    pub fn begin(core: &TestCore, cores: u16) -> Log {
        (0..cores).for_each(|number| core.engine(number, Engine::begin_stream));
        let written = Rc::new(RefCell::new(Written::default()));
        let of_turn = Rc::clone(&written);
        core.on_turn_end(move |engine| of_turn.borrow_mut().take(engine));
        Log { core: core.clone(), cores, written }
    }

    /// Takes what was left when the last messages had arrived.
    fn catch_up(&self) {
        (0..self.cores).for_each(|number| self.core.engine(number, |engine| self.written.borrow_mut().take(engine)));
    }

    /// What was propagated since the last call.
    pub fn propagated(&self) -> Vec<Propagated> {
        self.catch_up();
        std::mem::take(&mut self.written.borrow_mut().new)
    }

    /// Begins an increment; gives where.
    pub fn begin_increment(&self) -> usize {
        self.catch_up();
        let mut written = self.written.borrow_mut();
        written.selected = None;
        written.bytes.len()
    }

    /// What was written from there on.
    pub fn bytes_from(&self, place: usize) -> Vec<u8> {
        self.catch_up();
        self.written.borrow().bytes[place..].to_vec()
    }
}

/// The requests of a log, as they are run.
fn requests_of(log: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(0);
    reader.feed(log);
    let mut requests = Vec::new();
    while let Some(passage) = reader.next() {
        let Passage::Record(record) = passage else { panic!("nobody writes times") };
        requests.extend_from_slice(if record.is_transaction { torc_log::MULTI } else { b"" });
        for request in record.requests() {
            write_request(&mut requests, &request.arguments.iter().collect::<Vec<_>>());
        }
        requests.extend_from_slice(if record.is_transaction { torc_log::EXEC } else { b"" });
    }
    assert_eq!(requests, log, "all of it is read, and nothing else");
    requests
}

/// Runs a log on an engine at `now_ms`; the commands of the log see no time.
///
/// # Errors
/// The requests of the log when one of them was answered by an error.
pub fn replay(core: &TestCore, cores: u16, log: &[u8], now_ms: i64) -> Result<(), String> {
    core.advance_ms(now_ms - core.now_ms());
    (0..cores).for_each(|number| core.engine(number, |engine| engine.obey(true)));
    let connection = core.engine(0, Engine::open_replay);
    core.engine(0, |engine| engine.on_bytes(connection, &requests_of(log)));
    core.settle();
    let errors: u64 = (0..cores).map(|number| core.engine(number, |engine| engine.errors())).sum();
    core.engine(0, |engine| engine.close_replay(connection));
    (0..cores).for_each(|number| core.engine(number, |engine| engine.obey(false)));
    if errors == 0 { Ok(()) } else { Err(format!("errors of replay: {errors} of {}", log.escape_ascii())) }
}
