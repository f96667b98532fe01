//! `almt-data devices`, and the options that choose one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tch::Device;

use crate::cli::{Failure, number};
use crate::train::device::{self, Chosen, DeviceChoice};

/// Which device a command works on.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// Where to compute: auto (the first GPU that can be used, else the CPU), cpu, cuda or cuda:N
    /// [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    #[command(flatten)]
    pub libtorch: LibtorchArgs,
}

/// Where libtorch's CUDA part is.
#[derive(Args, Clone)]
pub struct LibtorchArgs {
    /// Folder of a libtorch, or of an installed PyTorch, whose CUDA part serves GPUs [default: the
    /// first that serves of LIBTORCH, the set-up's, and the PyTorch of python3]
    #[arg(long, value_name = "FOLDER")]
    libtorch: Option<PathBuf>,
}

/// How many threads libtorch uses.
#[derive(Args, Clone)]
pub struct ThreadsArgs {
    /// Threads of libtorch; with another number, results differ in their last bits [default: as
    /// many as there are processors]
    #[arg(long, value_name = "N", value_parser = number::from::<u16>(1))]
    pub threads: Option<u16>,
}

impl DeviceArgs {
    /// Opens the device.
    pub fn open(&self) -> Result<Device, Failure> {
        self.libtorch.open(self.device.unwrap_or(DeviceChoice::Auto))
    }
}

impl LibtorchArgs {
    /// Opens a device.
    pub fn open(&self, choice: DeviceChoice) -> Result<Device, Failure> {
        let Chosen { device, no_gpu } = device::open(choice, self.libtorch.as_deref())?;
        if let Some(error) = no_gpu {
            eprintln!("warning: {}\n  the CPU is used", Failure::from(error).message());
        }
        Ok(device)
    }
}

/// List the devices that training can use, and why not those that it cannot
#[derive(Args)]
pub struct DevicesArgs {
    #[command(flatten)]
    libtorch: LibtorchArgs,
}

/// Lists them.
pub fn devices(args: &DevicesArgs) -> ExitCode {
    let n_threads = tch::get_num_threads();
    let threads = if n_threads == 1 { "thread" } else { "threads" };
    let version = crate::train::libtorch_version();
    outln!("cpu     {n_threads} {threads}, libtorch {version}");
    match device::load(args.libtorch.libtorch.as_deref()) {
        Ok((candidate, n_gpus)) => {
            device::describe_gpus(n_gpus).iter().for_each(|line| outln!("{line}"));
            if let Ok(folder) = candidate.folder {
                outln!("        by {} ({})", folder.display(), candidate.origin);
            }
        }
        Err(error) => outln!("cuda    {}", Failure::from(error).message()),
    }
    ExitCode::SUCCESS
}
