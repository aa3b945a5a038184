//! A cut does not hold writers for a core that is in a long command: it probes, withdraws what takes too long, and ends granted.
//! See docs/durability.md, "The probe".

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;

use common::{Client, TestCore, clock_ns, encode, key_of_each_core, let_long_commands_take, words};
use torc_engine::route::CoreId;
use torc_engine::saving::SaveForm;
use torc_engine::{Engine, HostReply, HostRequest, Message};

const MS: u64 = 1_000_000;

/// Cores whose turns a test makes by hand: one that makes none is in a long command.
struct Cores {
    server: TestCore,
    keys: Vec<String>,
    mailboxes: RefCell<Vec<VecDeque<(CoreId, Message)>>>,
}

impl Cores {
    fn new(cores: u16) -> Self {
        let mailboxes = (0..cores).map(|_| VecDeque::new()).collect();
        let made =
            Cores { server: TestCore::new(cores), keys: key_of_each_core(cores, "k"), mailboxes: RefCell::new(mailboxes) };
        made.turns(&(0..cores).collect::<Vec<_>>());
        made
    }

    fn turn(&self, core: CoreId) {
        let mail = std::mem::take(&mut self.mailboxes.borrow_mut()[usize::from(core)]);
        self.server.engine(core, |engine| {
            engine.begin_turn(0, clock_ns());
            mail.into_iter().for_each(|(from, message)| engine.on_message(from, message));
            engine.run_stalled();
            engine.end_overdue_waits();
            engine.flush(|to, message| self.mailboxes.borrow_mut()[usize::from(to)].push_back((core, message)));
        });
    }

    /// These cores make turns until nothing more comes of it.
    fn turns(&self, cores: &[CoreId]) {
        (0..12).for_each(|_| cores.iter().for_each(|&core| self.turn(core)));
    }

    fn begin_cut(&self, holds: bool) {
        self.server.engine(0, |engine| engine.begin_cut(1, SaveForm::Rdb, holds));
    }

    /// Until all cores have said that they are here, and the claims are on their way.
    fn probe(&self) {
        (0..self.keys.len() as u16).for_each(|core| self.turn(core));
        self.turn(0);
    }

    fn send(&self, client: &Client, core: CoreId, line: &str) {
        self.server.engine(core, |engine| engine.on_bytes(client.connection(), &encode(&words(line))));
    }

    fn taken(&self, client: &Client, core: CoreId) -> String {
        let out = self.server.engine(core, |engine| {
            engine.take_dirty(&mut Vec::new());
            engine.drain_output(client.connection())
        });
        String::from_utf8(out).expect("text")
    }

    /// Which cores have caught their keys since this was last asked.
    fn caught(&self) -> Vec<CoreId> {
        let is_begun = |request: &HostRequest| matches!(request, HostRequest::SavingBegun { .. });
        let has_caught = |core: &CoreId| self.server.engine(*core, Engine::take_host_requests).iter().any(is_begun);
        (0..self.keys.len() as u16).filter(has_caught).collect()
    }

    /// Attempts that were withdrawn, and the longest time for which one has held writers, in microseconds.
    fn withdrawn_and_held(&self) -> (u64, u64) {
        self.server.engine(0, |engine| {
            let stats = engine.inspect().stats();
            (stats.cuts_withdrawn, stats.cut_held_us_max)
        })
    }

    fn assert_idle(&self) {
        for core in 0..self.keys.len() as u16 {
            self.server.engine(core, |engine| assert!(engine.claims_are_idle() && !engine.has_work()));
        }
    }
}

fn let_pass(ns: u64) {
    let_long_commands_take(ns);
    clock_ns();
    let_long_commands_take(0);
}

#[test]
fn a_core_in_a_long_command_holds_no_writer_of_another() {
    let cores = Cores::new(3);
    let (own, other) = (cores.server.client(), cores.server.client_on(1));
    cores.begin_cut(false);
    for round in 0..3 {
        // Core 2 is in a command of seconds.
        cores.turns(&[0, 1]);
        let_pass(700 * MS);
        cores.send(&own, 0, &format!("SET {} {round}", cores.keys[0]));
        cores.send(&other, 1, &format!("MSET {} {round} {} {round}", cores.keys[0], cores.keys[1]));
        cores.turns(&[0, 1]);
        assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["+OK\r\n", "+OK\r\n"]);
    }
    assert!(cores.caught().is_empty());
    cores.turns(&[0, 1, 2]);
    assert_eq!(cores.caught(), [0, 1, 2]);
    assert_eq!(cores.withdrawn_and_held(), (0, 0), "no time has passed between claims and hops");
    cores.assert_idle();
}

#[test]
fn claims_that_are_not_all_granted_are_withdrawn() {
    let cores = Cores::new(3);
    let (own, other, late) = (cores.server.client(), cores.server.client_on(1), cores.server.client_on(2));
    cores.begin_cut(false);
    cores.probe();
    // The claims have gone out, and core 2 has begun something.
    cores.turns(&[0, 1]);
    cores.send(&own, 0, &format!("SET {} 1", cores.keys[0]));
    cores.send(&other, 1, &format!("SET {} 1", cores.keys[1]));
    let_pass(10 * MS - 1);
    cores.turns(&[0, 1]);
    assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["", ""], "they wait for the cut");
    let due = cores.server.engine(0, |engine| engine.next_deadline_ms());
    assert_eq!(due, Some(cores.server.now_ms() + 1), "the core wakes for it");
    let_pass(1);
    cores.turns(&[0, 1]);
    assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["+OK\r\n", "+OK\r\n"]);
    assert_eq!(cores.withdrawn_and_held(), (1, 10_000));
    cores.turns(&[2]);
    cores.send(&late, 2, &format!("SET {} 1", cores.keys[2]));
    assert_eq!(cores.taken(&late, 2), "+OK\r\n", "a claim that was withdrawn before it came is none");
    assert!(cores.caught().is_empty());
    let_pass(10 * MS - 1);
    cores.turns(&[0, 1, 2]);
    assert!(cores.caught().is_empty(), "there is a pause");
    let_pass(1);
    cores.turns(&[0, 1, 2]);
    assert_eq!(cores.caught(), [0, 1, 2]);
    cores.assert_idle();
}

#[test]
fn it_ends_granted_whatever_comes_between() {
    let cores = Cores::new(2);
    let (writer, reader) = (cores.server.client(), cores.server.client());
    cores.begin_cut(false);
    for pause_ms in [10, 20, 40, 80, 160] {
        cores.probe();
        // Core 1 is in something long whenever the claim comes.
        let_pass(10 * MS);
        cores.turns(&[0]);
        let_pass(pause_ms * MS - 1);
        cores.turns(&[0, 1]);
        assert!(cores.caught().is_empty());
        let_pass(1);
    }
    assert_eq!(cores.withdrawn_and_held(), (5, 10_000));
    cores.probe();
    cores.send(&writer, 0, &format!("SET {} 1", cores.keys[0]));
    cores.send(&reader, 0, &format!("BITCOUNT {}", cores.keys[0]));
    let_pass(3000 * MS);
    cores.turns(&[0]);
    assert_eq!(cores.taken(&writer, 0), "", "the sixth attempt stays");
    assert_eq!(cores.taken(&reader, 0), "", "and what may take long waits for it");
    assert_eq!(cores.server.engine(0, |engine| engine.next_deadline_ms()), None, "nothing ends that but the cut");
    cores.turns(&[1, 0]);
    assert_eq!(cores.caught(), [0, 1]);
    assert_eq!([cores.taken(&writer, 0), cores.taken(&reader, 0)], ["+OK\r\n", ":3\r\n"]);
    assert_eq!(cores.withdrawn_and_held(), (5, 3_000_000));
    cores.assert_idle();
}

#[test]
fn a_core_that_stands_by_begins_nothing_that_may_take_long() {
    let cores = Cores::new(2);
    let [own, other, brief] = [0, 1, 0].map(|core| cores.server.client_on(core));
    cores.begin_cut(false);
    // Core 1 does not hear of it.
    cores.turn(0);
    let key = &cores.keys[0];
    for line in [format!("BITCOUNT {key}"), format!("SET {key} a"), format!("BITCOUNT {key}")] {
        cores.send(&own, 0, &line);
        cores.send(&other, 1, &line);
    }
    cores.send(&brief, 0, &format!("GET {key}"));
    let unheard = std::mem::take(&mut cores.mailboxes.borrow_mut()[1]);
    cores.turns(&[0, 1]);
    assert_eq!([cores.taken(&own, 0), cores.taken(&other, 1)], ["", ""]);
    assert_eq!(cores.taken(&brief, 0), "$-1\r\n", "others do not notice");
    assert!(!cores.server.engine(0, |engine| engine.has_work()), "the core may sleep meanwhile");
    let due = cores.server.engine(0, |engine| engine.next_deadline_ms());
    assert_eq!(due, Some(cores.server.now_ms() + 11));
    let_pass(10 * MS);
    cores.turns(&[0, 1]);
    let expected = [":0\r\n+OK\r\n:3\r\n", ":3\r\n+OK\r\n:3\r\n"];
    let replies = [cores.taken(&own, 0), cores.taken(&other, 1)];
    assert!(replies == expected || [&replies[1], &replies[0]] == expected, "{replies:?}");
    cores.mailboxes.borrow_mut()[1].extend(unheard);
    cores.turns(&[0, 1]);
    assert_eq!(cores.caught(), [0, 1]);
    cores.assert_idle();
}

/// A cut that holds writes on purpose lets what may take long go on as soon as it is granted, as far as that reads.
#[test]
fn a_hold_begins_when_the_cut_is_granted() {
    let cores = Cores::new(2);
    let client = cores.server.client();
    cores.begin_cut(true);
    cores.turns(&[0, 1]);
    let requests = cores.server.engine(0, Engine::take_host_requests);
    let holder = requests.iter().find_map(|request| match request {
        HostRequest::WritesHeld { asker, .. } => Some(*asker),
        _ => None,
    });
    let_pass(500 * MS);
    cores.send(&client, 0, &format!("BITCOUNT {}", cores.keys[0]));
    assert_eq!(cores.taken(&client, 0), ":0\r\n");
    cores.send(&client, 0, &format!("SET {} a", cores.keys[0]));
    cores.turns(&[0, 1]);
    assert_eq!(cores.taken(&client, 0), "");
    cores.server.engine(0, |engine| engine.on_host_answer(holder.expect("writes are held"), HostReply::Done));
    cores.turns(&[0, 1]);
    assert_eq!(cores.taken(&client, 0), "+OK\r\n");
    assert_eq!(cores.withdrawn_and_held(), (0, 0), "what is held on purpose does not count");
    cores.assert_idle();
}
