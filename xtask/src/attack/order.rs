//! What one connection writes becomes visible in the order in which it was sent, over all cores and under load.
//!
//! ```text
//!   writer   SET a i, SET b i, SET a i+1, SET b i+1, ...        one write
//!   reader   MGET b a: a is never behind b
//!   queue    SET data:i v, LPUSH queue i   consumer: BRPOP queue, GET data:i is never nil
//!   load     MSETs over many slots on other connections, so that cores are busy at different times
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::connection::{Connection, text};
use super::scene::{Attack, Bounds, Scene};
use crate::tools::Outcome;

/// The attacks of this file.
pub const ATTACKS: &[&Attack] = &[&ORDER_OF_WRITES, &ORDER_OF_QUEUE];

const ORDER_OF_WRITES: Attack = Attack::new(
    "order-of-writes",
    "a pipeline of SETs to keys of several cores, read by MGET and EXEC meanwhile",
    Bounds::new(16, 20, 50),
    |scene| beside_load(scene, writes),
);

fn writes(scene: &Scene, deadline: Instant) -> Outcome<()> {
    thread::scope(|threads| {
        let writing = threads.spawn(move || -> Outcome<()> {
            let mut writer = scene.connect()?;
            let mut index = 0_u64;
            while Instant::now() < deadline {
                let some = (0..50).flat_map(|step| {
                    let value = index + step;
                    [text(&format!("SET a {value}")), text(&format!("SET b {value}"))].concat()
                });
                writer.send(&some.collect::<Vec<u8>>())?;
                for _ in 0..100 {
                    writer.reply()?;
                }
                index += 50;
            }
            Ok(())
        });
        let outcome = read_in_order(scene, deadline);
        writing.join().unwrap_or_else(|_| Err("the writer panicked".into())).and(outcome)
    })
}

fn read_in_order(scene: &Scene, deadline: Instant) -> Outcome<()> {
    let number = |text: String| text.parse::<i64>().unwrap_or(-1);
    let mut reader = scene.connect()?;
    while Instant::now() < deadline {
        let reply = reader.ask("MGET b a")?;
        let [b, a] = reply.elements() else { return Err(format!("MGET: {reply}")) };
        if number(b.to_string()) > number(a.to_string()) {
            return Err(format!("MGET: b is {b} and a only {a}, which was set first"));
        }
        reader.send(&[text("MULTI"), text("GET b"), text("GET a"), text("EXEC")].concat())?;
        let replies: Vec<_> = (0..4).map(|_| reader.reply()).collect::<Outcome<_>>()?;
        let [b, a] = replies[3].elements() else { return Err(format!("EXEC: {}", replies[3])) };
        if number(b.to_string()) > number(a.to_string()) {
            return Err(format!("EXEC: b is {b} and a only {a}, which was set first"));
        }
    }
    Ok(())
}

const ORDER_OF_QUEUE: Attack = Attack::new(
    "order-of-queue",
    "data is set and queued in one write; a consumer that waits for the queue reads the data",
    Bounds::new(16, 20, 50),
    |scene| beside_load(scene, queue),
);

fn queue(scene: &Scene, deadline: Instant) -> Outcome<()> {
    let mut producer = scene.connect()?;
    let mut consumer = scene.connect()?;
    let mut index = 0_u64;
    while Instant::now() < deadline {
        consumer.send(&text("BRPOP queue 10"))?;
        let produce = [text(&format!("SET data:{index} value")), text(&format!("LPUSH queue {index}"))].concat();
        producer.send(&produce)?;
        let taken = consumer.reply()?;
        let element = taken.elements().get(1).ok_or_else(|| format!("BRPOP: {taken}"))?.to_string();
        consumer.expect(&format!("GET data:{element}"), "value")?;
        producer.reply()?;
        producer.reply()?;
        index += 1;
    }
    Ok(())
}

/// Runs `check` until its time is over, while two other clients keep cores busy.
fn beside_load(scene: &mut Scene, check: fn(&Scene, Instant) -> Outcome<()>) -> Outcome<()> {
    let deadline = Instant::now() + scene.duration();
    scene.begin()?;
    let is_over = AtomicBool::new(false);
    let scene = &*scene;
    let load = |client: usize| -> Outcome<()> {
        let mut connection = scene.connect()?;
        while !is_over.load(Ordering::Relaxed) {
            burden(&mut connection, client)?;
        }
        Ok(())
    };
    let load = &load;
    thread::scope(|threads| {
        let loads: Vec<_> = (0..2).map(|client| threads.spawn(move || load(client))).collect();
        let outcome = check(scene, deadline);
        is_over.store(true, Ordering::Relaxed);
        let ends = loads.into_iter().map(|it| it.join().unwrap_or_else(|_| Err("a load panicked".into())));
        ends.fold(outcome, |outcome, end| outcome.and(end))
    })
}

/// Some milliseconds of one core, or of all.
fn burden(connection: &mut Connection, client: usize) -> Outcome<()> {
    let words = match client {
        0 => format!("MSET{}", (0..300).map(|index| format!(" load:{index} x")).collect::<String>()),
        _ => format!("SADD {{load}}set{}", (0..300).map(|index| format!(" member:{index}")).collect::<String>()),
    };
    connection.pipeline((0..20).map(|_| text(&words)))
}
