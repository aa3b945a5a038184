//! Commands about scripts. There is no interpreter yet: what is here is true of a server without any library.

use super::family;

family!(function);
