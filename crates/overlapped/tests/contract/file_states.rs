//! A file in each of its states, and every call that can be made on it there: the tables of files
//! of docs/handle-states.md (P33, P140).

use crate::files_world::{Backend, Scratch, descriptors_on, open};
use crate::handle_ledger::{Answer, Counted, Ledger};
use crate::handle_states::{Cell, walk};
use crate::on_every_backend;
use overlapped::{Buffer, File, FileOptions, OperationId};

const CONTENTS: &[u8] = b"contents";
const LAST: u64 = i64::MAX as u64;

struct Scene {
    ledger: Ledger,
    file: File<Counted>,
    /// The number of an operation that nobody has in flight.
    completed: OperationId,
    scratch: Scratch,
}

/// Makes the call of one cell in the state of one cell.
fn try_cell(backend: Backend, state: &str, call: &str, cell: &Cell) {
    let mut scene = Scene::in_state(backend, state);
    let answer = scene.call(call);
    scene.ledger.judge(call, answer, cell);
    scene.assert_is(cell.next(state, false));
    let Scene { ledger, file, scratch, .. } = scene;
    drop(file);
    ledger.end();
    assert_eq!(descriptors_on(scratch.path()), 0);
}

impl Scene {
    fn in_state(backend: Backend, state: &str) -> Self {
        let mut ledger = Ledger::new(backend.port_for());
        let scratch = Scratch::holding(CONTENTS);
        let options = FileOptions::new().read(state != "writing").write(state != "reading");
        let file = open(scratch.path(), options);
        let file = ledger.port.associate(file, ledger.key()).expect("a file is associated");
        let mark = ledger.mark();
        let number = mark.number;
        let started = match state {
            "writing" => file.write_at(Buffer::from(CONTENTS), 0, mark),
            _ => file.read_at(Buffer::with_capacity(1), 0, mark),
        };
        let completed = *started.as_ref().expect("it can be started");
        ledger.has_started("an operation", Answer::started(number, started));
        ledger.expect_fates("done");
        match state {
            "both" | "reading" | "writing" => {}
            "closed" => file.close(),
            "port closed" => ledger.port.close(),
            other => panic!("the page has a state that nobody makes: {other}"),
        }
        Self { ledger, file, completed, scratch }
    }

    fn call(&mut self, call: &str) -> Answer {
        let mark = self.ledger.mark();
        let number = mark.number;
        let file = &self.file;
        let done = Answer::done;
        let read =
            |buffer, offset, mark| Answer::started(number, file.read_at(buffer, offset, mark));
        match call {
            "read_at" => read(Buffer::with_capacity(CONTENTS.len()), 0, mark),
            "read_at past" => read(Buffer::with_capacity(4), CONTENTS.len() as u64, mark),
            "read_at nothing" => read(Buffer::empty(), 0, mark),
            "read_at beyond" => read(Buffer::with_capacity(4), LAST - 3, mark),
            "write_at" => Answer::started(number, file.write_at(Buffer::from(CONTENTS), 0, mark)),
            "write_at nothing" => Answer::started(number, file.write_at(Buffer::empty(), 0, mark)),
            "write_at beyond" => {
                Answer::started(number, file.write_at(Buffer::from(b"some"), LAST - 3, mark))
            }
            "flush" => Answer::started(number, file.flush(mark)),
            "size" => done(file.size().map(|bytes| assert_eq!(bytes, CONTENTS.len() as u64))),
            "set_size" => done(file.set_size(CONTENTS.len() as u64)),
            "set_size beyond" => done(file.set_size(LAST + 1)),
            "preallocate" => done(file.preallocate(CONTENTS.len() as u64 / 2)),
            "preallocate beyond" => done(file.preallocate(LAST + 1)),
            "alignment" => Answer::Count(file.alignment()),
            "cancel" => done(file.cancel(self.completed)),
            "cancel_all" => Answer::Count(file.cancel_all()),
            "close" => {
                file.close();
                Answer::Value("ok")
            }
            other => panic!("the page has a call that nobody makes: {other}"),
        }
    }

    /// The file is in this state, and has kept its contents.
    fn assert_is(&mut self, state: &str) {
        assert_eq!(self.scratch.contents(), CONTENTS);
        let descriptors = usize::from(state != "closed");
        assert_eq!(descriptors_on(self.scratch.path()), descriptors);
        let (read, written) = match state {
            "both" => (None, None),
            "reading" => (None, Some("not allowed")),
            "writing" => (Some("not allowed"), None),
            "closed" if self.ledger.port.try_take().is_err() => {
                (Some("port closed"), Some("port closed"))
            }
            other => (Some(other), Some(other)),
        };
        for (call, refusal) in [("read_at", read), ("write_at", written)] {
            let answer = self.call(call);
            match refusal {
                Some(refusal) => answer.assert_refused(call, refusal),
                None => {
                    self.ledger.has_started(call, answer);
                    self.ledger.expect_fates("done");
                }
            }
        }
        self.ledger.assert_nothing_comes();
    }
}

fn p33_every_operation_of_a_file_answers_as_its_state_says(backend: Backend) {
    walk("file operations", |state, call, cell| try_cell(backend, state, call, cell));
}

fn p140_every_question_to_a_file_is_answered_as_its_state_says(backend: Backend) {
    walk("file questions", |state, call, cell| try_cell(backend, state, call, cell));
}

on_every_backend! {
    p140_every_question_to_a_file_is_answered_as_its_state_says,
    p33_every_operation_of_a_file_answers_as_its_state_says,
}
