//! `almt-data devices`, and the options that choose a device.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tch::Device;

use crate::cli::{Failure, number};
use crate::train::device::{self, Chosen, DeviceChoice};
use crate::train::ram;

/// Which device a command works on.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// Device: auto (the first usable GPU, otherwise the CPU), cpu, cuda or cuda:N [default: auto]
    #[arg(help_heading = "Hardware options", long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    #[command(flatten)]
    pub libtorch: LibtorchArgs,
}

/// Where libtorch's CUDA part is.
#[derive(Args, Clone)]
pub struct LibtorchArgs {
    /// libtorch or PyTorch folder that provides the CUDA libraries [default: the first usable one of
    /// LIBTORCH, the folder made by the set-up, and the PyTorch of python3]
    #[arg(help_heading = "Hardware options", long, value_name = "FOLDER")]
    libtorch: Option<PathBuf>,
}

/// How many threads libtorch uses.
#[derive(Args, Clone)]
pub struct ThreadsArgs {
    /// CPU threads. Results differ in their last bits between thread counts [default: one per
    /// processor]
    #[arg(help_heading = "Hardware options", long, value_name = "N", value_parser = number::from::<u16>(1))]
    pub threads: Option<u16>,
}

impl DeviceArgs {
    /// Opens the device.
    pub fn open(&self) -> Result<Device, Failure> {
        self.libtorch.open(self.device.unwrap_or(DeviceChoice::Auto))
    }
}

impl LibtorchArgs {
    /// Opens a device; on the CPU, limits the program to its memory.
    pub fn open(&self, choice: DeviceChoice) -> Result<Device, Failure> {
        let Chosen { device, no_gpu } = device::open(choice, self.libtorch.as_deref())?;
        if let Some(error) = no_gpu {
            errln!("warning: {}\n  the CPU is used", Failure::from(error));
        }
        if device == Device::Cpu {
            ram::limit_to_total();
        }
        Ok(device)
    }
}

/// List the devices available for training, and why others are not
#[derive(Args)]
pub struct DevicesArgs {
    #[command(flatten)]
    libtorch: LibtorchArgs,
}

/// Lists the devices.
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
        Err(error) => outln!("cuda    {}", Failure::from(error)),
    }
    ExitCode::SUCCESS
}
