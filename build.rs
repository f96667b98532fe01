//! Compiles the shim over libtorch, and makes the binary and the tests find libtorch without an
//! environment variable.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for name in [
        "whole.cpp",
        "guarded.h",
        "shim.cpp",
        "frame_attention.cpp",
        "token_attention.cpp",
        "batched.cpp",
        "kernels.h",
        "kernels.cpp",
        "count.cpp",
        "cuda.cpp",
        "absent",
    ] {
        println!("cargo:rerun-if-changed=src/native/{name}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    println!("cargo:rerun-if-env-changed={STRICT}");
    println!("cargo:rerun-if-env-changed={SANITIZE}");
    if std::env::var_os("CARGO_FEATURE_TRAIN").is_none() {
        return;
    }
    // torch-sys links against the same folder, which `DEP_TCH_LIBTORCH_LIB` names.
    if let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
        // Functions that libtorch also defines are exported, and so kept along with libtorch itself, unless
        // hidden: loading it takes 0.4 seconds, which this program, calling none of them, need not wait for.
        if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
            println!("cargo:rustc-link-arg-bin=almt-data=-Wl,--exclude-libs,ALL");
        }
        #[cfg(feature = "train")]
        {
            println!("cargo:rustc-env=ALMT_DATA_LIBTORCH={}", folder.display());
            let libtorch = std::path::Path::new(&folder);
            std::thread::scope(|scope| {
                scope.spawn(compile_kernels);
                scope.spawn(|| compile_cuda_shim(libtorch));
                compile_shim(libtorch);
            });
        }
    }
}

/// If set, warnings of the C++ compiler fail the build.
const STRICT: &str = "ALMT_DATA_STRICT";

/// If set, AddressSanitizer and UndefinedBehaviorSanitizer check the C++ at run time. Their libraries
/// have to be preloaded, by `LD_PRELOAD`.
const SANITIZE: &str = "ALMT_DATA_SANITIZE";

/// Also without optimised Rust: the loops in C++ dominate a training step. Of checked code, the highest
/// level takes four times as long to compile.
#[cfg(feature = "train")]
fn opt_level() -> u32 {
    if std::env::var_os(SANITIZE).is_some() { 1 } else { 3 }
}

/// Compiler flags for all C++.
#[cfg(feature = "train")]
fn checked(build: &mut cc::Build) {
    if std::env::var_os(STRICT).is_some() {
        build.warnings_into_errors(true).extra_warnings(true);
    }
    if std::env::var_os(SANITIZE).is_some() {
        build.flags(["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]);
        // libtorch lacks the type information to check its vptrs.
        build.flag("-fno-sanitize=vptr");
        // Fuses multiplications and additions, as the higher levels do.
        build.flag("-fexpensive-optimizations");
        println!("cargo:rustc-link-arg=-lasan");
        println!("cargo:rustc-link-arg=-lubsan");
    }
}

/// The shim's loops, compiled once for any processor and once for most current ones.
#[cfg(feature = "train")]
fn compile_kernels() {
    let kernels = |name: &str, flags: &[&str]| {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").opt_level(opt_level()).file("src/native/kernels.cpp");
        // Fused multiply-adds if the processor has them; the loops call no other function.
        build.flags(["-ffp-contract=fast", "-fno-math-errno", "-Wno-psabi"]).flags(flags);
        checked(&mut build);
        build.define("KERNELS", name).compile(&format!("almt_{name}"));
    };
    kernels("portable_kernels", &[]);
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        kernels("avx2_kernels", &["-mavx2", "-mfma"]);
    }
}

/// `libtorch` is its library folder; its headers are next to it.
#[cfg(feature = "train")]
fn compile_shim(libtorch: &std::path::Path) {
    let mut build = cpp(libtorch);
    // libtorch's threads, whose runtime library must be the one in the process.
    if libtorch.join(OPENMP).exists() {
        build.flag("-fopenmp");
        println!("cargo:rustc-link-search=native={}", libtorch.display());
        println!("cargo:rustc-link-lib=dylib:+verbatim={OPENMP}");
    }
    // For headers of libraries that libtorch does not ship.
    build.flag("-idirafter").flag("src/native/absent");
    build.file("src/native/whole.cpp").compile("almt_shim");
}

/// A separate library, since it needs libtorch's CUDA part, which is loaded on demand. It resolves
/// everything at load time and is linked to nothing. Without CUDA's headers it is empty.
#[cfg(feature = "train")]
fn compile_cuda_shim(libtorch: &std::path::Path) {
    let Some(out) = std::env::var_os("OUT_DIR") else { return };
    let library = std::path::Path::new(&out).join("libalmt_cuda.so");
    // The folders used by the set-up, and by PyTorch's own packages.
    let places = [
        libtorch.with_file_name("include").join("cuda"),
        libtorch.join("../../nvidia/cu13/include"),
    ];
    let headers = places.into_iter().find(|place| place.join("cuda_runtime_api.h").exists());
    let built = headers.is_some_and(|headers| {
        println!("cargo:rerun-if-changed={}", headers.display());
        let mut compiler = cpp(libtorch).flag("-isystem").flag(headers).get_compiler().to_command();
        compiler.args(["-shared", "-o"]).arg(&library).arg("src/native/cuda.cpp");
        compiler.status().is_ok_and(|status| status.success())
    });
    if !built {
        std::fs::write(&library, []).expect("cargo's own folder can be written to");
    }
}

/// A C++ compiler for code that uses libtorch.
#[cfg(feature = "train")]
fn cpp(libtorch: &std::path::Path) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(opt_level())
        .flag("-isystem")
        .flag(libtorch.with_file_name("include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // libtorch is built this way, and its classes are smaller without assertions.
        .define("NDEBUG", None);
    checked(&mut build);
    build
}

/// The OpenMP runtime of libtorch's Linux builds. Elsewhere the shim's loops use one thread.
#[cfg(feature = "train")]
const OPENMP: &str = "libgomp.so.1";
