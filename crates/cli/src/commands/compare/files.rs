//! The files that were asked for. They are opened before anything is measured, so that a place where
//! nothing can be written is told at once, and take their names when they are complete.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use overlapped::open_at_once;
use overlapped_load::histogram::Latencies;
use tempfile::NamedTempFile;

use super::document::Document;
use super::report;
use crate::exit::Usage;
use crate::output;

/// Stands for standard output in place of a name.
pub const STDOUT: &str = "-";

/// What a document is written as.
#[derive(Clone, Debug)]
pub enum Form {
    Json,
    Csv,
    Markdown,
    Html,
    /// With this heading.
    Section(String),
}

enum Target {
    Stdout,
    /// A name of its own until all is written.
    New {
        file: NamedTempFile,
        path: PathBuf,
    },
    /// A pipe or a device, which no other file may take the place of.
    Stream {
        file: File,
        path: PathBuf,
    },
}

/// Where the forms go.
pub struct Files {
    targets: Vec<(Form, Target)>,
}

impl Files {
    /// Makes the files, or says which cannot be.
    pub fn open<'a>(asked: impl Iterator<Item = (Form, &'a Path)>) -> anyhow::Result<Self> {
        let mut targets: Vec<(Form, Target)> = Vec::new();
        for (form, path) in asked {
            let target = open(path).with_context(|| {
                format!("cannot write {}; name a file in a folder that is there", path.display())
            })?;
            if matches!(target, Target::Stdout) && Self::any_stdout(&targets) {
                return Err(Usage(
                    "only one of --json, --csv, --markdown, --html and --section can go to standard output; \
                     give the others a file"
                        .to_owned(),
                )
                .into());
            }
            targets.push((form, target));
        }
        Ok(Self { targets })
    }

    fn any_stdout(targets: &[(Form, Target)]) -> bool {
        targets.iter().any(|(_, target)| matches!(target, Target::Stdout))
    }

    /// Whether standard output is taken.
    pub fn use_stdout(&self) -> bool {
        Self::any_stdout(&self.targets)
    }

    /// Writes all of them. Standard output comes last, since its reader may have gone.
    pub fn write(mut self, document: &Document) -> anyhow::Result<()> {
        self.targets.sort_by_key(|(_, target)| matches!(target, Target::Stdout));
        for (form, target) in self.targets {
            let text = match form {
                // On standard output a document is a line, as everywhere.
                Form::Json if matches!(target, Target::Stdout) => {
                    serde_json::to_string(document)? + "\n"
                }
                Form::Json => serde_json::to_string_pretty(document)? + "\n",
                Form::Csv => report::csv(document)?,
                Form::Markdown => report::markdown(document),
                Form::Html => report::html(document),
                Form::Section(title) => report::section(document, &title),
            };
            match target {
                Target::Stdout => output::bytes(text.as_bytes())?,
                Target::Stream { mut file, path } => file
                    .write_all(text.as_bytes())
                    .with_context(|| format!("cannot write {}", path.display()))?,
                Target::New { mut file, path } => file
                    .write_all(text.as_bytes())
                    .and_then(|()| file.as_file().sync_all())
                    .and_then(|()| Ok(file.persist(&path)?))
                    .map(drop)
                    .with_context(|| format!("cannot write {}", path.display()))?,
            }
        }
        Ok(())
    }
}

/// Writes the latencies of each row into a file of its own in `folder`, which is made if it is missing.
pub fn write_latencies(
    folder: &Path,
    document: &Document,
    latencies: &BTreeMap<usize, Latencies>,
) -> anyhow::Result<()> {
    let place = |path: &Path| format!("cannot write {}", path.display());
    fs::create_dir_all(folder).with_context(|| place(folder))?;
    for (index, latencies) in latencies.iter().filter(|(_, latencies)| latencies.count() > 0) {
        let row = &document.rows[*index];
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = row.model.chars().map(plain).collect();
        let pace = report::pace_key(row.pace).replace('_', "-");
        let path = folder.join(format!("{pace}-{}-{name}.hgrm", row.connections));
        fs::write(&path, latencies.percentile_distribution()).with_context(|| place(&path))?;
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<Target> {
    if path == Path::new(STDOUT) {
        return Ok(Target::Stdout);
    }
    // A link goes on leading to the file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&path) {
        Ok(there) if there.is_dir() => anyhow::bail!("it is a folder"),
        Ok(there) if !there.is_file() => {
            // A pipe that nobody reads is told now, and not waited for.
            let file = open_at_once(&path, File::options().write(true))?;
            Ok(Target::Stream { file, path })
        }
        _ => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut builder = tempfile::Builder::new();
            builder.prefix(".overlapped-compare-");
            with_usual_rights(&mut builder);
            let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
            Ok(Target::New { file, path })
        }
    }
}

/// Others may read the file as far as the user lets them read all files.
#[cfg(unix)]
fn with_usual_rights(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn with_usual_rights(_builder: &mut tempfile::Builder<'_, '_>) {}
