//! Loading of libtorch, and of GPU support as far as testable without a GPU.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Call, almt, program, synthetic_store};

/// A library in place of `libtorch_cuda.so`: loading it writes the file that `WITNESS` names. With
/// `has_gpus`, it has what the program asks libtorch's CUDA part for, and says that two GPUs are there.
fn stand_in(folder: &Path, has_gpus: bool, more: &[&str]) {
    std::fs::create_dir_all(folder.join("lib")).unwrap();
    let mut source = String::from(
        "#include <stdio.h>\n#include <stdlib.h>\n\
         __attribute__((constructor)) static void loaded(void) {\n\
         const char *path = getenv(\"WITNESS\");\n\
         if (path) fclose(fopen(path, \"w\"));\n}\n",
    );
    if has_gpus {
        // Whatever CUDA answers is taken as it is.
        source += "void _ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_jb(void) {}\n";
        source += "signed char _ZN3c104cuda28device_count_ensure_non_zeroEv(void) { return 2; }\n";
        let others = [
            "_ZN2at4cuda9CUDAGraphC1Eb",
            "_ZN2at4cuda9CUDAGraphD1Ev",
            "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode",
            "_ZN2at4cuda9CUDAGraph11capture_endEv",
            "_ZN2at4cuda9CUDAGraph6replayEv",
            "_ZN3c104cuda17getStreamFromPoolEba",
            "_ZN3c104cuda10set_deviceEab",
            "_ZN3c104cuda18device_synchronizeEv",
            "_ZN3c104cuda20setCurrentCUDAStreamENS0_10CUDAStreamE",
        ];
        others.iter().for_each(|name| source += &format!("void {name}(void) {{ abort(); }}\n"));
    }
    let file = folder.join("stand_in.c");
    std::fs::write(&file, source).unwrap();
    compile(&file, &folder.join("lib/libtorch_cuda.so"), more);
}

fn compile(source: &Path, library: &Path, more: &[&str]) {
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(library).arg(source).args(more);
    assert!(compiler.status().unwrap().success());
}

fn write_version(folder: &Path, version: [u32; 3]) {
    let place = folder.join("include/torch/headeronly");
    std::fs::create_dir_all(&place).unwrap();
    let [major, minor, patch] = version;
    let text = format!(
        "#define TORCH_VERSION_MAJOR {major}\n#define TORCH_VERSION_MINOR {minor}\n\
         #define TORCH_VERSION_PATCH {patch}\n"
    );
    std::fs::write(place.join("version.h"), text).unwrap();
}

/// What `devices` says of a folder, and whether its library was loaded for that.
fn devices(folder: &Path, libtorch: &str) -> (String, bool) {
    let witness: PathBuf = folder.join("witness");
    let _ = std::fs::remove_file(&witness);
    let mut command = program(folder, &["devices", "--libtorch", libtorch]);
    command.env("WITNESS", &witness);
    let shown = Call::of(command).ok().stdout();
    assert!(shown.starts_with("cpu "), "{shown}");
    (shown, witness.exists())
}

#[test]
fn only_the_cuda_part_of_the_same_release_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (shown, _) = devices(folder, "nowhere");
    assert!(shown.contains("nowhere/lib/libtorch_cuda.so: is absent"), "{shown}");
    assert!(shown.contains("hint: libtorch_cuda.so of version 2.11.0 is needed"), "{shown}");

    stand_in(&folder.join("torch"), true, &[]);
    let (shown, was_loaded) = devices(folder, "torch");
    assert!(shown.contains("needs to be libtorch 2.11.0, is of an unknown version"), "{shown}");
    assert!(!was_loaded);
    write_version(&folder.join("torch"), [2, 9, 1]);
    let (shown, was_loaded) = devices(folder, "torch");
    assert!(shown.contains("torch: needs to be libtorch 2.11.0, is 2.9.1"), "{shown}");
    assert!(!was_loaded);
    write_version(&folder.join("torch"), [2, 11, 0]);
    let (shown, was_loaded) = devices(folder, "torch");
    assert!(was_loaded, "{shown}");
    // Whatever they are, the stand-in counts two.
    assert!(shown.contains("\ncuda:0 ") && shown.contains("\ncuda:1 "), "{shown}");
    assert!(shown.contains("by torch (--libtorch)"), "{shown}");
}

#[test]
fn a_library_that_cannot_be_loaded_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let other = folder.join("libcublas_of_a_test.so");
    std::fs::write(folder.join("empty.c"), "int cublas_of_a_test;\n").unwrap();
    compile(&folder.join("empty.c"), &other, &[]);
    let links = ["-Wl,--no-as-needed", other.to_str().unwrap()];
    stand_in(&folder.join("torch"), true, &links);
    write_version(&folder.join("torch"), [2, 11, 0]);
    std::fs::remove_file(&other).unwrap();
    let (shown, was_loaded) = devices(folder, "torch");
    assert!(shown.contains("cannot be loaded: ") && shown.contains("libcublas_of_a_test.so"));
    assert!(!was_loaded, "{shown}");
    // One that is no CUDA part of libtorch.
    stand_in(&folder.join("other"), false, &[]);
    write_version(&folder.join("other"), [2, 11, 0]);
    let (shown, _) = devices(folder, "other");
    assert!(
        shown.contains("is not libtorch's CUDA part") && shown.contains("undefined symbol"),
        "{shown}"
    );
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_and_auto_goes_on_without() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synthetic_store(folder, "mosi", "8");
    stand_in(&folder.join("torch"), true, &[]);
    write_version(&folder.join("torch"), [2, 11, 0]);
    let train = |more: &[&str]| {
        let args = ["train", "--store", "mosi.h5", "--epochs", "1", "--out", "run"];
        almt(folder, &[&args[..], more].concat())
    };
    let failed =
        train(&["--device", "cuda:5", "--libtorch", "torch"]).fails_with(&["no GPU can be used"]);
    assert!(failed.stderr().contains("no device cuda:5: 2 GPUs found"), "{}", failed.explain());
    let failed =
        train(&["--device", "cuda", "--libtorch", "none"]).fails_with(&["no GPU can be used"]);
    assert!(failed.stderr().contains("none/lib/libtorch_cuda.so: is absent"));
    assert!(!folder.join("run").exists());
    let wrong = train(&["--device", "tpu"]);
    assert!(wrong.code() == 2 && wrong.stderr().contains("cuda:N"), "{}", wrong.explain());
    let warned = train(&["--device", "auto", "--libtorch", "none"]).ok();
    assert!(warned.stderr().contains("the CPU is used"), "{}", warned.explain());
    let config = std::fs::read_to_string(folder.join("run/config.toml")).unwrap();
    assert!(config.contains("device = \"cpu\""), "{config}");
}

/// Loading it takes longer than most commands. Only the linker of this system leaves out libraries whose
/// functions nobody calls.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn only_the_trainer_loads_libtorch() {
    let libraries = |program: &str| {
        let loaded = Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
        String::from_utf8(loaded.stdout).unwrap()
    };
    let (data, trainer) = (
        libraries(env!("CARGO_BIN_EXE_almt-data")),
        libraries(env!("CARGO_BIN_EXE_almt-data-train")),
    );
    assert!(data.contains("libc.so") && !data.contains("torch"), "{data}");
    assert!(trainer.contains("libtorch_cpu.so"), "{trainer}");
}
