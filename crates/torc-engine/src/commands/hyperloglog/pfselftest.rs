//! PFSELFTEST: checks registers, encodings and the error of the estimate with random elements.

use torc_resp::{Args, Reply};

use super::edit::{add, densify};
use super::estimate::count;
use super::format::{EMPTY, Encoding, REGISTERS, encoding};
use super::registers::Registers;
use super::{dense, format};
use crate::command::{Flags, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::random::Random;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "pfselftest",
    arity: 1,
    flags: Flags::ADMIN.and(Flags::LONG),
    route: Route::Session,
    run: Run::Session(pfselftest),
    since: "2.8.9",
    group: "hyperloglog",
    summary: "An internal command for testing HyperLogLog values.",
    complexity: "N/A",
    is_internal: true,
    ..Row::DEFAULT
};

/// Random elements that are added; few enough to keep the core for some milliseconds only.
const ELEMENTS: u64 = 100_000;

fn pfselftest(context: &mut SessionContext<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let random = context.random();
    test_registers(random)?;
    test_estimates(random.next_u64(), context.facts().config.hll_sparse_max_bytes as usize)?;
    reply.ok();
    Ok(())
}

/// Dense registers keep what is written and leave their neighbours alone.
fn test_registers(random: &mut Random) -> Result<(), CommandError> {
    let mut registers = Registers::new();
    registers.0.iter_mut().for_each(|rank| *rank = random.below(64) as u8);
    let mut value = format::dense_with_head_of(&EMPTY, &Registers::new());
    for (number, rank) in registers.0.iter().enumerate() {
        let bytes = &mut value[format::HEAD_BYTES..];
        let (at, changed, len) = dense::with(bytes, number, *rank);
        bytes[at..at + len].copy_from_slice(&changed[..len]);
    }
    for (number, rank) in registers.0.iter().enumerate() {
        let found = dense::get(&value[format::HEAD_BYTES..], number);
        if found != *rank {
            let text = format!("ERR TESTFAILED Register {number} should be {rank} but is {found}");
            return Err(CommandError::made(text));
        }
    }
    if Registers::of(&value)? != registers {
        return Err(CommandError::fixed("ERR TESTFAILED dense registers are read differently"));
    }
    Ok(())
}

/// Both encodings count alike, within six standard errors.
fn test_estimates(seed: u64, sparse_bytes_max: usize) -> Result<(), CommandError> {
    let mut value = EMPTY.to_vec();
    let mut dense = densify(&value)?;
    let error_ratio = 6.0 * 1.04 / (REGISTERS as f64).sqrt();
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        add(&mut value, &element, sparse_bytes_max)?;
        add(&mut dense, &element, sparse_bytes_max)?;
        if number != checkpoint {
            continue;
        }
        // An element takes three bytes at most: its own run, and a second one of zeros.
        let fits = EMPTY.len() + 3 * number as usize <= sparse_bytes_max;
        if fits && encoding(&value) != Encoding::Sparse {
            return Err(CommandError::fixed("ERR TESTFAILED sparse encoding not used"));
        }
        let counted = count(&dense)?;
        if counted != count(&value)? {
            return Err(CommandError::fixed("ERR TESTFAILED dense/sparse disagree"));
        }
        let error = counted.abs_diff(checkpoint);
        let error_max = if number == 10 { 1 } else { (error_ratio * checkpoint as f64).ceil() as u64 };
        if error > error_max {
            let text = format!("ERR TESTFAILED Too big error. card:{checkpoint} abserr:{error}");
            return Err(CommandError::made(text));
        }
        checkpoint *= 10;
    }
    Ok(())
}
