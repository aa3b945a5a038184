//! Commands on keys of any type.

use super::family;

family!(del);
