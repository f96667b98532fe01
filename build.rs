//! Compiles the shim over libtorch, and lets the binary and the tests find libtorch without an
//! environment variable.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/native/shim.cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    if std::env::var_os("CARGO_FEATURE_TRAIN").is_none() {
        return;
    }
    // torch-sys links against the same folder; `DEP_TCH_LIBTORCH_LIB` is what it found there.
    if let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
        #[cfg(feature = "train")]
        compile_shim(std::path::Path::new(&folder));
    }
}

/// `libtorch` is its folder of libraries, beside which its headers lie.
#[cfg(feature = "train")]
fn compile_shim(libtorch: &std::path::Path) {
    let mut build = cc::Build::new();
    // The threads of libtorch, whose runtime library must be the one in the process.
    if libtorch.join(OPENMP).exists() {
        build.flag("-fopenmp");
        println!("cargo:rustc-link-search=native={}", libtorch.display());
        println!("cargo:rustc-link-lib=dylib:+verbatim={OPENMP}");
    }
    build
        .cpp(true)
        .std("c++17")
        // Also without optimised Rust: its loops are a training step's.
        .opt_level(3)
        .flag("-isystem")
        .flag(libtorch.with_file_name("include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .file("src/native/shim.cpp")
        .compile("almt_shim");
}

/// The OpenMP runtime of libtorch's Linux builds. Elsewhere the shim's loops use one thread.
#[cfg(feature = "train")]
const OPENMP: &str = "libgomp.so.1";
