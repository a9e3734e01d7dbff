//! What shells and manuals need to know of the command. Needs no configuration.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap_complete::Shell;

use crate::service::Error;

#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Print completions for a shell: `socorro completions bash > /etc/bash_completion.d/socorro`
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages, one for each command, into a directory
    Man {
        /// The directory, which is made where it is missing
        dir: PathBuf,
    },
}

pub(super) fn completions(mut command: clap::Command, shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "socorro", &mut script);
    script
}

pub(super) fn man(command: clap::Command, dir: &Path) -> Result<(), Error> {
    let failed = |error| format!("can't write man pages into {}: {error}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)?;
    Ok(())
}
