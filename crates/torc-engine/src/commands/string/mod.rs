//! Strings: values that are bytes, numbers written as text, and counters.

use super::family;

family!(get);
