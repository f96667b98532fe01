//! `cargo xtask TASK`: all development tasks of this repository.
//!
//! This crate only dispatches and runs other programs; it links nothing native, so it builds on a
//! machine without libtorch and CMake.

mod bench;
mod demo;
mod dist;
mod interop;
mod run;
mod setup;
mod test;
mod tidy;
mod wheel;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <TASK>

Tasks:
  setup [--cuda]  Fetch libtorch and, where it is missing, CMake; does nothing when they are there.
                  With --cuda also what training on a GPU needs, unless a PyTorch 2.11 is installed
  minilm          Fetch a small BERT into `.bert/minilm`: a test compares it with recorded values,
                  and `almt-data encode --bert .bert/minilm` computes text features with it
  test [ARGS]     Set up, then run all tests (ARGS go to `cargo test`)
  bench convert [--scale N]
                  Compare the conversion of a large pickle with plain Python and with `cp`
  bench open      Compare a batch out of an Arrow store with `pickle.load`
  bench packed    Compare conversion of compressed pickles with `zcat` and `pickle.load`
  bench python    Compare the Python package with `pickle.load` and MMSA (fetches PyTorch, 4 GB)
  bench train     Compare a training step with eager PyTorch (fetches PyTorch, 4 GB)
  bench models [NAMES]
                  Compare a training step of MMSA's models with its own code (fetches PyTorch, 4 GB)
  bench align     Compare aligning computational sequences with the CMU SDK (writes 9 GB)
  bench audio     Compare audio features with librosa, on one thread (fetches librosa, 480 MB)
  bench gpu       Compare training on a GPU with PyTorch, eager and compiled (fetches PyTorch, 4 GB)
  interop --mmsa  Have MMSA's own data loader read an exported pickle (fetches PyTorch, 4 GB)
  interop --audio Compare audio features with librosa's (fetches librosa, 480 MB)
  interop --torch Have PyTorch predict with exported weights, and compare (fetches PyTorch, 4 GB)
  demo [ARGS]     Set up, then run the main job on a small synthetic dataset (ARGS go to `cargo build`)
  tidy            Check what neither the compiler nor Clippy knows: each module's opening line, import
                  cycles, layers, names of types, reasons for allowed lints; builds only this crate
  wheel           Build the Python package into `dist/wheels` and test it as installed
  wheel --test [ARGS]
                  The same in the profile of the tests, as `test` does (ARGS go to pytest)
  dist            Set up, build a release, its man pages and shell completions, and pack them into
                  `dist`; then the same as `wheel`
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("--help", &[][..]),
    };
    let outcome = match (task, rest) {
        ("setup", []) => setup::setup(),
        ("setup", [flag]) if flag == "--cuda" => setup::cuda(),
        ("minilm", []) => setup::minilm(),
        ("test", args) => test::test(args),
        ("bench", args) => bench::bench(args),
        ("interop", [flag]) if flag == "--audio" => interop::audio(),
        ("interop", [flag]) if flag == "--mmsa" => interop::mmsa(),
        ("interop", [flag]) if flag == "--torch" => interop::torch(),
        ("demo", args) => demo::demo(args),
        ("tidy", []) => tidy::tidy(),
        ("wheel", []) => wheel::wheel(),
        ("wheel", [flag, args @ ..]) if flag == "--test" => wheel::tests(args),
        ("dist", []) => dist::dist(),
        ("--help" | "-h" | "help", _) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("error: not a task: `{}`\n\n{USAGE}", args.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
