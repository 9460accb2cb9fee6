//! Makes the tables of `bench/hot-path` from the documents and outputs in its folder: what must hold, and
//! every case before and after. What was not measured is left out, and said to be missing.

mod before_after;
mod cases;
mod goals;
mod outputs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Tables of what bench/hot-path has measured.
#[derive(Parser)]
#[command(name = "hot-path-table", version)]
struct Arguments {
    /// The folder with the documents.
    folder: PathBuf,
}

fn main() -> ExitCode {
    let folder = Arguments::parse().folder;
    let cases = match cases::read(&folder) {
        Ok(cases) => cases,
        Err(error) => return overlapped_bench::exit_code(Err(error)),
    };
    let mut rows = goals::of_cases(&cases);
    rows.extend(outputs::rows(&folder));
    println!("| must hold | server | limit | measured | |\n|---|---|---:|---:|---|");
    for row in &rows {
        println!("{row}");
    }
    println!("\n{}", before_after::table(&cases));
    for line in cases.iter().flat_map(cases::Case::remarks) {
        println!("- {line}");
    }
    ExitCode::SUCCESS
}
