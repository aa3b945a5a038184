//! Users and their rights (docs/acl.md): what ACL rules mean, and whether a user may run a request. No input or output, no connection.
//!
//! ```text
//!   User   name, passwords, flags
//!     +-- Selector (root)    commands as bits by id | keys, compiled patterns | channels | databases
//!     +-- Selector ( .. )    the same; one selector must allow all of a request
//!
//!   words --User::apply--> User --check(command, args, db)--> Ok, or what is lacking
//!   all of them: Users, alike on every core; a connection holds an `Arc<User>`
//! ```

mod category;
mod check;
pub(crate) mod log;
mod password;
mod pattern;
mod rule;
mod selector;
#[cfg(test)]
mod tests;
mod user;
mod users;

pub use category::{CATEGORY_NAMES, categories, has_category};
pub use check::{Denial, Lacking};
pub use log::{DenialContext, DenialLog, LogEntry, Reason};
pub use password::generate;
pub use rule::{Access, RuleError, has_blank};
pub use selector::Selector;
pub use user::{DEFAULT_USER, User};
pub use users::{UserLine, Users, WordError, apply_words, check_line};
