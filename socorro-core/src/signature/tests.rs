//! The cases are in the tables beside this file; here is how they are read.

mod lists;
mod names;
mod stacks;
