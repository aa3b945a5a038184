//! Every command, one file each: its row and its function.
//!
//! To add one, write `<family>/<name>.rs` with `pub(super) static ROW: Row` and name it in the family's list.
//!
//! The row of a command that writes declares how it is propagated, or it does not compile. A command that would do something else when it
//! is run again (a relative time, a random choice, an id that is made, a wait) gives the form; `forms` has what several of them say.
//! `tests/propagation` wants a scenario of each such command, and of each of its options.

mod arguments;
pub mod bitmap;
pub mod cluster;
pub mod connection;
mod forms;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod pubsub;
mod scan_options;
pub mod scripting;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod transactions;

use crate::command::Row;

/// Declares a family's modules and gathers their rows.
macro_rules! family {
    ($($(#[$meta:meta])* $module:ident),+ $(,)?) => {
        $($(#[$meta])* mod $module;)+
        $(const _: () = $module::ROW.assert_sound();)+
        /// The rows of this family.
        pub static ROWS: &[&crate::command::Row] = &[$(&$module::ROW),+];
    };
}
pub(crate) use family;

/// The rows of all families.
pub fn families() -> Vec<&'static [&'static Row]> {
    vec![
        bitmap::ROWS,
        cluster::ROWS,
        connection::ROWS,
        generic::ROWS,
        geo::ROWS,
        hash::ROWS,
        hyperloglog::ROWS,
        list::ROWS,
        pubsub::ROWS,
        scripting::ROWS,
        server::ROWS,
        set::ROWS,
        sorted_set::ROWS,
        stream::ROWS,
        string::ROWS,
        transactions::ROWS,
    ]
}
