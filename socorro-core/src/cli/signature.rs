//! `socorro signature explain`: why a crash has the signature that it has.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::{Cli, visible};
use crate::crash_id::CrashId;
use crate::processed_crash::{ProcessedCrash, key};
use crate::service::Error;
use crate::signature::{CrashStack, Signature, SignatureOptions, Step, generate};
use crate::storage::blocking;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show how a signature comes about: what each frame becomes, and which line of which list decides
    ///
    /// Makes the signature again with the lists of `[signature]`, so that lists can be tried out before
    /// processors use them. The stored crash stays as it is.
    Explain {
        /// A processed crash's id; or a file with a processed crash, or with what
        /// `minidump-stackwalk --json` printed; `-` for standard input
        #[arg(value_name = "ID|FILE")]
        crash: String,
        /// A directory of lists to try out, in place of signature.lists
        #[arg(long, value_name = "DIR")]
        lists: Option<PathBuf>,
    },
}

pub(super) async fn run(cli: &Cli, command: Command) -> Result<ExitCode, Error> {
    let Command::Explain { crash, lists } = command;
    let options = match lists {
        Some(lists) => SignatureOptions { lists },
        None => cli.settings.signature.clone(),
    };
    let lists = options.load()?;
    let processed = read(cli, crash).await?;
    let signature = generate(&CrashStack::of(&processed), &lists);
    let text = explain(&signature, processed.signature());
    cli.answer(text.trim_end(), &as_json(&signature))?;
    Ok(ExitCode::SUCCESS)
}

async fn read(cli: &Cli, crash: String) -> Result<ProcessedCrash, Error> {
    if let Ok(id) = CrashId::parse_prefixed(&crash) {
        return Ok(cli.primary().storage.get_processed(&id).await?);
    }
    let text = match crash.as_str() {
        "-" => cli.read_input().await?,
        file => {
            let path = PathBuf::from(file);
            let read = blocking(move || std::fs::read_to_string(path)).await;
            read.map_err(|error| format!("{file:?} is no crash id, and no file: {error}"))?
        }
    };
    let wrong = |why: &str| format!("{crash}: {why}");
    let read: ProcessedCrash = ProcessedCrash::from_json(text.as_bytes())
        .map_err(|error| wrong(&format!("not a JSON object: {error}")))?;
    if read.get("threads").is_some() {
        // The walk alone.
        let mut processed = ProcessedCrash::default();
        processed.set(
            "mdsw_status_string",
            read.get("status").cloned().unwrap_or_default(),
        );
        processed.set(key::JSON_DUMP, Value::Object(read.entries().clone()));
        return Ok(processed);
    }
    match read.get(key::UUID).or(read.get(key::JSON_DUMP)) {
        Some(_) => Ok(read),
        None => Err(wrong("neither a processed crash nor what minidump-stackwalk prints").into()),
    }
}

/// A block for each frame, a line for each rule, and what comes of it.
fn explain(signature: &Signature, stored: Option<&str>) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{}", visible(&text));
    };
    for (number, step) in signature.steps.iter().enumerate() {
        match step {
            Step::Frame {
                raw,
                normalized,
                inlined,
                verdict,
            } => {
                let mark = if verdict.is_kept() { '*' } else { ' ' };
                let inlined = if *inlined { " (inlined)" } else { "" };
                line(format!("{mark}{number:>3}  {normalized}{inlined}"));
                if raw != normalized {
                    line(format!("      was: {raw}"));
                }
                line(format!("      {verdict}"));
            }
            Step::Rule { rule, signature } => line(format!("rule {rule}: {signature}")),
        }
    }
    line(format!("signature: {}", signature.signature));
    if let Some(stored) = stored.filter(|stored| *stored != signature.signature) {
        line(format!("stored:    {stored}"));
    }
    out
}

fn as_json(signature: &Signature) -> Value {
    let steps = signature.steps.iter().map(|step| match step {
        Step::Frame {
            raw,
            normalized,
            inlined,
            verdict,
        } => json!({
            "raw": raw,
            "normalized": normalized,
            "inlined": inlined,
            "kept": verdict.is_kept(),
            "verdict": verdict.to_string(),
        }),
        Step::Rule { rule, signature } => json!({"rule": rule, "signature": signature}),
    });
    json!({
        "signature": signature.signature,
        "proto_signature": signature.proto_signature,
        "notes": signature.notes,
        "steps": steps.collect::<Vec<_>>(),
    })
}
