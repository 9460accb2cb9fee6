//! Copies of this tool that run as child processes and speak in lines of JSON, and other programs that say
//! little.
//!
//! A child is its own process group, so that a Ctrl-C at the terminal reaches the parent alone,
//! which decides what its children are told. A child ends by itself when its parent dies
//! ([`platform::end_with_parent`]), and is ended when the parent drops it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::platform;

/// How long a child that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// How often a child that is expected to end is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A line that a child wrote, or its end.
#[derive(Debug)]
pub enum Said {
    /// One line of its standard output.
    Line(String),
    /// It has closed its standard output, which it does when it ends.
    End,
}

/// A running child.
#[derive(Debug)]
pub struct Copy {
    child: Child,
    input: Option<ChildStdin>,
}

impl Copy {
    /// Starts this tool again with `arguments`. What it says goes to `said`, wrapped by `wrap`.
    /// Without `input` its standard input is a pipe for [`tell`](Self::tell).
    ///
    /// Called from a thread that lives as long as the child shall.
    pub fn start<Event: Send + 'static>(
        arguments: &[&str],
        input: Option<Stdio>,
        said: Sender<Event>,
        wrap: impl Fn(Said) -> Event + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut command =
            platform::copy_of_this_program().context("this program cannot be found")?;
        command.args(arguments);
        Self::spawn(&mut command, input, said, wrap)
            .context("cannot start another process of this tool")
    }

    /// Starts another program in the same way.
    pub fn foreign<Event: Send + 'static>(
        words: &[String],
        said: Sender<Event>,
        wrap: impl Fn(Said) -> Event + Send + 'static,
    ) -> anyhow::Result<Self> {
        let program = words.first().context("no program is named")?;
        let mut command = Command::new(program);
        platform::out_of_reach(command.args(&words[1..]))?;
        Self::spawn(&mut command, None, said, wrap)
            .with_context(|| format!("cannot start {program}"))
    }

    fn spawn<Event: Send + 'static>(
        command: &mut Command,
        input: Option<Stdio>,
        said: Sender<Event>,
        wrap: impl Fn(Said) -> Event + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut child =
            command.stdin(input.unwrap_or_else(Stdio::piped)).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the pipe from a new process is missing")?;
        let reader = std::thread::Builder::new().name("child-output".to_owned()).spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if said.send(wrap(Said::Line(line))).is_err() {
                    return;
                }
            }
            let _ = said.send(wrap(Said::End));
        });
        let copy = Self { child, input };
        reader.context("cannot start a thread for a new process")?;
        Ok(copy)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to the child's standard input. A child that has ended does not hear it, and
    /// its end is told by [`Said::End`].
    pub fn tell(&mut self, line: &str) {
        if let Some(input) = self.input.as_mut() {
            let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        }
    }

    /// Closes the child's standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Asks the child to end as Ctrl-C would.
    pub fn interrupt(&self) {
        platform::ask_to_end(self.child.id());
    }

    /// How the child ended, if it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until the child has ended, and kills it if it takes longer than `patience`.
    pub fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.close_input();
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            // Nothing more can be done about a child that cannot be waited for.
            let _ = self.wait(GRACE);
        }
    }
}
