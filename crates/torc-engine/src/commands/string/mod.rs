//! Strings: values that are bytes, numbers written as text, and counters.
//!
//! Beside the commands: `options` reads what SET, GETEX and MSETEX have in common, `store` writes a value
//! with its expiry, `counter` adds to integers, `range` cuts slices, `answer` replies with a value, `subsequence` is the algorithm of LCS,
//! and `ahead` lets the waits for memory of several keys overlap.

use super::family;

mod ahead;
mod answer;
mod counter;
mod options;
mod range;
mod store;
mod subsequence;

family!(
    append,
    decr,
    decrby,
    delex,
    delifeq,
    digest,
    get,
    getdel,
    getex,
    getrange,
    getset,
    incr,
    incrby,
    incrbyfloat,
    lcs,
    mget,
    mset,
    msetex,
    msetnx,
    psetex,
    set,
    setex,
    setnx,
    setrange,
    strlen,
    substr,
);
