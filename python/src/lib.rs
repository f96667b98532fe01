//! `almt_data._native`: the part of the Python package that is Rust.
//!
//! It links no libtorch. Memory that NumPy arrays lie in, and the signal handler that guards it, are the
//! only unsafe code: see [`memory`] and [`fault`].

mod calls;
mod errors;
mod fault;
mod memory;
mod metrics;
mod store;
mod table;
mod unpickle;

use pyo3::prelude::*;

/// The native part of `almt_data`.
#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::calls::{call, main};
    #[pymodule_export]
    use super::memory::Block;
    #[pymodule_export]
    use super::metrics::{bootstrap, compare, metrics, order};
    #[pymodule_export]
    use super::store::{Column, Store};
    #[pymodule_export]
    use super::unpickle::load_pickle;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        fault::watch_maps();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
