//! The walk through docs/handle-states.md: every call in every state, one cell after the other.
//!
//! The tables of that page are the data of these tests, so page and library cannot say different
//! things. How a handle is brought into a state and what is asked of it there is in
//! [`stream_states`](crate::stream_states) and the modules beside it.

use crate::errno;
use crate::family;
use crate::on_every_driver_and_family;
use crate::world::World;
use crate::{datagram_states, listener_states, stream_states};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

/// The page of the repository, or the copy of it that the package of the library has.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let krate = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = krate.join("../../docs/handle-states.md");
    let page = if page.exists() { page } else { krate.join("tests/contract/handle-states.md") };
    std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"))
});

/// How many cells are tried at once: those of a connect in flight wait for the system to try again.
const AT_ONCE: usize = 8;

/// What a closed handle answers: a socket, a file.
const CLOSED: [i32; 2] = [errno::BAD_DESCRIPTOR, errno::FILE_CLOSED];

/// What a call has to do in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What the call answers.
    pub answer: String,
    /// How the operations end that it ends.
    pub fate: Option<String>,
    /// The state afterwards, unless that is the one before.
    next: Option<String>,
}

impl Cell {
    /// The state after the call was made in `state`. Of two the second is that of a kernel that
    /// carries the operations.
    pub fn next<'a>(&'a self, state: &'a str, is_kernel: bool) -> &'a str {
        match self.next.as_deref().map(|next| next.split_once(" or ").unwrap_or((next, next))) {
            Some((_, of_a_kernel)) if is_kernel => of_a_kernel,
            Some((next, _)) => next,
            None => state,
        }
    }

    fn read(text: &str) -> Self {
        let (rest, next) = match text.split_once('→') {
            Some((rest, next)) => (rest, Some(next.trim().to_owned())),
            None => (text, None),
        };
        let (answer, fate) = match rest.split_once(';') {
            Some((answer, fate)) => (answer, Some(fate.trim().to_owned())),
            None => (rest, None),
        };
        Self { answer: answer.trim().to_owned(), fate, next }
    }
}

/// The cells of one table of the page, with their row and column.
fn cells(table: &str) -> Vec<(String, String, Cell)> {
    let start = format!("<!-- table: {table} -->");
    let (_, rest) = PAGE.split_once(&start).expect("the page has this table");
    let mut lines = rest.lines().skip(1).take_while(|line| line.starts_with('|')).map(|line| {
        let line = line.trim().trim_matches('|');
        line.split('|').map(|text| text.trim().to_owned()).collect::<Vec<_>>()
    });
    let columns = lines.next().expect("a table begins with its columns");
    let rows = lines.skip(1);
    rows.flat_map(|row| {
        assert_eq!(row.len(), columns.len(), "{row:?}");
        let cells = columns.iter().skip(1).zip(row[1..].to_vec());
        cells
            .map(|(column, text)| (row[0].clone(), column.clone(), Cell::read(&text)))
            .collect::<Vec<_>>()
    })
    .collect()
}

/// Tries every cell of a table, and says of each that is wrong what was found.
pub fn walk(table: &str, try_cell: impl Fn(&str, &str, &Cell) + Sync) {
    let cells = cells(table);
    assert!(cells.len() > 10, "{table} has {} cells only", cells.len());
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let is_v6 = family::is_v6();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                family::adopt(is_v6);
                while let Some((row, column, cell)) =
                    cells.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let tried = catch_unwind(AssertUnwindSafe(|| try_cell(row, column, cell)));
                    if let Err(panic) = tried {
                        let found = text_of(panic.as_ref());
                        let line = format!("{row}, {column}: should be {cell:?}, but {found}");
                        wrong.lock().expect("nobody panics with it").push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked with it");
    assert!(wrong.is_empty(), "{table}, wrong in {}:\n{}", wrong.len(), wrong.join("\n"));
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// The word that the page has for an error.
pub fn word(error: &io::Error) -> &'static str {
    match (error.raw_os_error(), error.kind()) {
        (Some(errno::NOT_CONNECTED), _) => "not connected",
        (Some(errno::IS_CONNECTED), _) => "is connected",
        (Some(errno::ALREADY), _) => "in progress",
        (Some(errno::SHUT_DOWN), _) => "shut down",
        (Some(errno::RESET), _) => "reset",
        (Some(errno::CANCELED), _) => "aborted",
        (Some(number), _) if CLOSED.contains(&number) => "closed",
        (None, io::ErrorKind::BrokenPipe) => "port closed",
        (None, io::ErrorKind::InvalidInput) => "unfit",
        (None, io::ErrorKind::PermissionDenied) => "not allowed",
        (None, io::ErrorKind::NotFound) => "not found",
        (Some(_), io::ErrorKind::InvalidInput) => "not bound",
        _ => panic!("no state answers with this: {error:?}"),
    }
}

fn p33_every_operation_of_a_stream_answers_as_its_state_says(world: &World) {
    walk("stream operations", |state, call, cell| {
        stream_states::try_cell(world, state, call, cell);
    });
}

fn p140_p162_every_end_of_a_stream_answers_as_its_state_says(world: &World) {
    walk("stream ends", |state, call, cell| stream_states::try_cell(world, state, call, cell));
}

fn p131_every_question_to_a_stream_is_answered_as_its_state_says(world: &World) {
    walk("stream questions", |state, call, cell| stream_states::try_cell(world, state, call, cell));
}

fn x29_x32_every_call_of_a_listener_answers_as_its_state_says(world: &World) {
    walk("listeners", |state, call, cell| listener_states::try_cell(world, state, call, cell));
}

fn l14_every_call_of_a_datagram_socket_answers_as_its_state_says(world: &World) {
    walk("datagram sockets", |state, call, cell| {
        datagram_states::try_cell(world, state, call, cell);
    });
}

on_every_driver_and_family! {
    l14_every_call_of_a_datagram_socket_answers_as_its_state_says,
    p131_every_question_to_a_stream_is_answered_as_its_state_says,
    p140_p162_every_end_of_a_stream_answers_as_its_state_says,
    p33_every_operation_of_a_stream_answers_as_its_state_says,
    x29_x32_every_call_of_a_listener_answers_as_its_state_says,
}
