//! Commands about the server and its databases as a whole.

use super::family;

family!(dbsize);
