//! The HDF5 form of a store: one file, one dataset per column.

mod read;
mod write;

pub(super) use read::Hdf5Reader;
pub(super) use write::Hdf5Output;
