//! What the runtime tells by `tracing`: a span for each task, entered at each poll, and stalls.

use overlapped_runtime::{Runtime, yield_now};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The test waits for no longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps what it is told, as one line each.
#[derive(Clone, Default)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Lines {
    fn add(&self, line: String) {
        self.lines.lock().expect("nobody panics").push(line);
    }

    fn count(&self, line: &str) -> usize {
        let lines = self.lines.lock().expect("nobody panics");
        lines.iter().filter(|other| other.starts_with(line)).count()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("overlapped_runtime")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.spans.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = Fields(format!("new {id} {}", span.metadata().name()));
        span.record(&mut fields);
        self.add(fields.0);
        Id::from_u64(id)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(format!("event {}", event.metadata().level()));
        event.record(&mut fields);
        self.add(fields.0);
    }

    fn enter(&self, span: &Id) {
        self.add(format!("enter {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.add(format!("exit {}", span.into_u64()));
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}
}

/// The only test of this program: a subscriber is for all threads of it.
#[test]
fn each_task_has_a_span_and_each_stall_an_event() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("it is the only one");
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let line = line!() + 1;
    let task = runtime.spawn(async {
        yield_now().await;
        yield_now().await;
    });
    runtime.block_on(task).expect("it ends");
    let place = format!("{}:{line}:", file!());
    assert_eq!(lines.count(&format!("new 1 task number=0 spawned_at={place}")), 1);
    let start = Instant::now();
    while lines.count("exit 1") < 3 {
        assert!(start.elapsed() < PATIENCE, "it is left after each poll");
        std::thread::yield_now();
    }
    assert_eq!(lines.count("enter 1"), 3);

    let (release, wait) = mpsc::channel::<()>();
    let task = runtime.spawn(async move {
        let _ = wait.recv_timeout(PATIENCE);
    });
    while lines.count("event DEBUG") + lines.count("event WARN") == 0 {
        assert!(start.elapsed() < PATIENCE, "it holds its thread");
        std::thread::yield_now();
    }
    drop(release);
    runtime.block_on(task).expect("it ends");
    let lines = lines.lines.lock().expect("nobody panics");
    let event = lines.iter().find(|line| line.starts_with("event")).expect("it is there");
    assert!(event.contains("task=1 spawned_at=") && event.contains(file!()), "{event}");
}
