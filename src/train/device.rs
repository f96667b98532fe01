//! Selects a run's device, and makes GPUs available to libtorch.
//!
//! The program is built against libtorch for the CPU. Its CUDA part is a library of the same release,
//! `libtorch_cuda.so`, which is located and loaded when a GPU is requested.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use tch::{Device, TchError};

use super::libtorch_version;
use crate::advice::{Advice, Advise, TrainerAdvice};
use crate::chain::chain;
use crate::native::cuda::{self, LoadError};
use crate::native::modes;
use crate::words::human_bytes;

/// A device as the command line spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first usable GPU, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU with this number, counted from 0.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<DeviceChoice, String> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(DeviceChoice::Cuda)
                .ok_or_else(|| "expected auto, cpu, cuda, or cuda:N".into()),
        }
    }
}

/// The device as the command line spells it.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

/// A device's name and description, such as `cuda:0 (NVIDIA H200)`.
pub fn title(device: Device) -> String {
    match device {
        Device::Cuda(index) => match cuda::describe(index) {
            Ok((model, _)) => format!("{} ({model})", name(device)),
            Err(_) => name(device),
        },
        _ => name(device),
    }
}

/// Memory of a GPU in bytes, if known.
pub fn memory(index: usize) -> Option<u64> {
    cuda::describe(index).ok().map(|(_, memory)| memory as u64)
}

/// Waits until a device has finished its work.
pub(super) fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

/// Whether work on a device can be recorded; prepares this thread for it.
///
/// # Errors
/// Recording is possible, but libtorch refuses.
pub(super) fn can_record(device: Device) -> Result<bool, TchError> {
    match device {
        Device::Cuda(index) => cuda::use_own_stream(index).map(|()| true),
        _ => Ok(false),
    }
}

/// The library to locate.
const LIBRARY: &str = "libtorch_cuda.so";

/// A folder that may hold libtorch with its CUDA part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibtorchFolder {
    /// Origin of the folder.
    pub origin: &'static str,
    /// The folder, or why it could not be determined.
    pub folder: Result<PathBuf, String>,
}

/// Why a folder cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The folder does not exist.
    #[error("{0}")]
    NoFolder(String),
    /// The folder lacks the library.
    #[error("{path}: is absent")]
    NoLibrary {
        /// Expected path.
        path: PathBuf,
    },
    /// Another release, or an unknown one.
    #[error("{folder}: needs to be libtorch {needed}, is {}", found.as_deref().unwrap_or("of an unknown version"))]
    Version {
        /// The folder.
        folder: PathBuf,
        /// The version of the program's libtorch.
        needed: String,
        /// The version found.
        found: Option<String>,
    },
    /// The system's loader rejects the library.
    #[error("{path}: cannot be loaded: {problem}")]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's message.
        problem: String,
    },
    /// The library is loaded but lacks a symbol that the program needs.
    #[error("{path}: is not libtorch's CUDA part as this program needs it: {problem}")]
    Shim {
        /// The library.
        path: PathBuf,
        /// The loader's message.
        problem: String,
    },
    /// The library finds no usable GPU.
    #[error("{problem}")]
    NoGpu {
        /// The reason.
        problem: String,
    },
}

/// Why no GPU can be used, for each folder tried.
#[derive(Debug)]
pub struct NoCuda(pub Vec<(LibtorchFolder, Unfit)>);

impl fmt::Display for NoCuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no GPU can be used")?;
        for (candidate, unfit) in &self.0 {
            write!(f, "\n  {}: {unfit}", candidate.origin)?;
        }
        Ok(())
    }
}

impl std::error::Error for NoCuda {}

impl Advise for NoCuda {
    fn advice(&self) -> Vec<Advice> {
        // If there is no GPU, no other library helps.
        if self.0.iter().any(|(_, unfit)| matches!(unfit, Unfit::NoGpu { .. })) {
            return Vec::new();
        }
        vec![TrainerAdvice::CudaLibrary { library: LIBRARY, version: libtorch_version() }.into()]
    }
}

/// An open device.
#[derive(Debug)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// Why the CPU was selected, if a GPU may exist and none was requested by name.
    pub no_gpu: Option<NoCuda>,
}

/// Opens a device. `libtorch`, if given, is the only folder searched.
///
/// # Errors
/// A GPU was requested by name and cannot be used.
pub fn open(choice: DeviceChoice, libtorch: Option<&Path>) -> Result<Chosen, NoCuda> {
    let chosen = |device| Ok(Chosen { device, no_gpu: None });
    match choice {
        DeviceChoice::Cpu => chosen(Device::Cpu),
        // Without a driver, searching is pointless.
        DeviceChoice::Auto if libtorch.is_none() && !has_driver() => chosen(Device::Cpu),
        DeviceChoice::Auto => match load(libtorch) {
            Ok(_) => chosen(Device::Cuda(0)),
            Err(error) => Ok(Chosen { device: Device::Cpu, no_gpu: Some(error) }),
        },
        DeviceChoice::Cuda(index) => {
            let (candidate, n_gpus) = load(libtorch)?;
            if index < n_gpus {
                return chosen(Device::Cuda(index));
            }
            let problem = format!("no device cuda:{index}: {n_gpus} GPUs found");
            Err(NoCuda(vec![(candidate, Unfit::NoGpu { problem })]))
        }
    }
}

/// Whether a driver for CUDA GPUs is installed.
pub fn has_driver() -> bool {
    // The last one is for Windows Subsystem for Linux.
    ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"]
        .iter()
        .any(|place| Path::new(place).exists())
}

/// Loads the first usable library, and counts its GPUs.
///
/// # Errors
/// No library is usable, or there is no GPU.
pub fn load(libtorch: Option<&Path>) -> Result<(LibtorchFolder, usize), NoCuda> {
    let mut unfit = Vec::new();
    for candidate in candidates(libtorch) {
        match find(&candidate).and_then(|path| {
            cuda::load(&path).map_err(|error| match error {
                LoadError::Library(problem) => Unfit::Load { path, problem },
                LoadError::Shim(problem) => Unfit::Shim { path, problem },
            })?;
            let usable = modes::forbid_tf32().and_then(|()| cuda::count());
            usable.map_err(|error| Unfit::NoGpu { problem: words(error) })
        }) {
            Ok(n_gpus) => return Ok((candidate, n_gpus)),
            Err(problem) => {
                // A loaded library stays loaded, and a second one would conflict with it.
                let is_loaded = matches!(problem, Unfit::Shim { .. } | Unfit::NoGpu { .. });
                unfit.push((candidate, problem));
                if is_loaded {
                    break;
                }
            }
        }
    }
    Err(NoCuda(unfit))
}

/// libtorch's message, without the prefix of `tch`.
fn words(error: TchError) -> String {
    match error {
        TchError::Torch(words) => words,
        other => other.to_string(),
    }
}

/// The folders to search, in order.
pub fn candidates(libtorch: Option<&Path>) -> Vec<LibtorchFolder> {
    if let Some(folder) = libtorch {
        return vec![LibtorchFolder { origin: "--libtorch", folder: Ok(folder.into()) }];
    }
    let mut candidates = Vec::new();
    if let Some(folder) = std::env::var_os("LIBTORCH") {
        candidates.push(LibtorchFolder { origin: "LIBTORCH", folder: Ok(folder.into()) });
    }
    // Next to the libtorch that the program was built against.
    let built = option_env!("ALMT_DATA_LIBTORCH").and_then(|library| Path::new(library).parent());
    if let Some(built) = built {
        let folder = built.with_file_name(".libtorch-cuda");
        candidates.push(LibtorchFolder { origin: "set-up", folder: Ok(folder) });
    }
    candidates.push(LibtorchFolder { origin: "PyTorch", folder: folder_of_python() });
    candidates
}

/// Folder of the PyTorch that `python3` would import, found without importing it.
fn folder_of_python() -> Result<PathBuf, String> {
    const QUESTION: &str = "import importlib.util as u; s = u.find_spec('torch'); \
                            print(s.submodule_search_locations[0] if s else '', end='')";
    let answer = Command::new("python3").args(["-c", QUESTION]).output();
    let answer = answer.map_err(|error| format!("python3 cannot be asked: {}", chain(&error)))?;
    match String::from_utf8(answer.stdout) {
        Ok(folder) if !folder.is_empty() => Ok(folder.into()),
        _ => Err("python3 has no PyTorch".into()),
    }
}

/// The library in a folder, if it is libtorch of the right version.
fn find(candidate: &LibtorchFolder) -> Result<PathBuf, Unfit> {
    let folder = candidate.folder.clone().map_err(Unfit::NoFolder)?;
    let path = folder.join("lib").join(LIBRARY);
    if !path.exists() {
        return Err(Unfit::NoLibrary { path });
    }
    let needed = libtorch_version();
    match version(&folder) {
        Some(found) if found == needed => Ok(path),
        found => Err(Unfit::Version { folder, needed, found }),
    }
}

/// The version in libtorch's headers, such as `2.11.0`.
fn version(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("include/torch/headeronly/version.h")).ok()?;
    let part = |name: &str| {
        let start = format!("#define TORCH_VERSION_{name} ");
        let number = text.lines().find_map(|line| line.trim().strip_prefix(&start))?;
        number.trim().parse::<u32>().ok()
    };
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

/// Lines of `almt-data devices` about GPUs: one per GPU, or the reason why there are none.
pub fn describe_gpus(n_gpus: usize) -> Vec<String> {
    let line = |index| match cuda::describe(index) {
        Ok((model, memory)) => format!("cuda:{index}  {model}, {}", human_bytes(memory as u64)),
        Err(error) => format!("cuda:{index}  {error}"),
    };
    (0..n_gpus).map(line).collect()
}
