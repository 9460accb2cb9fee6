//! What is wrong with a server, if something is, in one sentence of plain words.

use std::collections::VecDeque;
use std::time::Duration;

use crate::between::{Between, Wait, errors, goes_on, grown};
use crate::view::{BusyThread, Phase, PortView, StallKind, StallLine, Verdict, View, Weight};
use crate::words::{self, count, grouped};

/// The time that is looked at, and half of the time between two looks, which come late now and then.
const SPAN: Duration = Duration::from_millis(10_500);

/// Who looks less often is told what happened since the last look, unless that was longer ago.
const LONGEST_SPAN: Duration = Duration::from_secs(60);

/// Views are not kept closer together.
const APART: Duration = Duration::from_millis(900);

/// Rates of a shorter time say little, where there is an older view.
const SHORTEST: Duration = Duration::from_millis(500);

/// Packets that wait longer than this wait long.
const LONG_WAIT: Duration = Duration::from_millis(1);

/// Judges a server by what it has shown lately.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// Of the last seconds, the oldest first; their logs are taken out.
    views: VecDeque<View>,
}

impl Judge {
    /// Writes into a view what is wrong, the worst first, or that nothing is.
    pub fn judge(&mut self, view: &mut View) {
        if self.views.back().is_some_and(|last| !goes_on(last, view)) {
            self.views.clear();
        }
        // One that is older stays, for who looks seldom.
        while self.views.get(1).is_some_and(|second| age(second, view) > SPAN) {
            self.views.pop_front();
        }
        view.verdict = self.verdict(view);
        if self.views.back().is_none_or(|last| age(last, view) >= APART) {
            let log = std::mem::take(&mut view.log);
            self.views.push_back(view.clone());
            view.log = log;
        }
    }

    fn verdict(&self, view: &View) -> Verdict {
        if let Some(verdict) = phase(view) {
            return verdict;
        }
        let earlier = || self.views.iter().filter(|it| !age(it, view).is_zero());
        let before = earlier().find(|it| age(it, view) <= SPAN).or_else(|| earlier().next_back());
        let Some(before) = before.filter(|it| age(it, view) <= LONGEST_SPAN) else {
            return note(
                "this is the first look: what happens in a second is told after the next one"
                    .to_owned(),
            );
        };
        let last = earlier().rev().find(|it| age(it, view) >= SHORTEST);
        let looked = Looked {
            judge: self,
            before,
            view,
            wait: Between::of(last.unwrap_or(before), view).and_then(|now| now.wait),
            in_span: format!("in the last {}", words::span(age(before, view))),
        };
        looked
            .all_blocked()
            .or_else(|| looked.panicked())
            .or_else(|| looked.stalls())
            .or_else(|| looked.busy())
            .or_else(|| looked.computing())
            .or_else(|| looked.lost_clients())
            .or_else(|| looked.silence())
            .unwrap_or_else(|| looked.good())
    }
}

/// How much older `before` is, by the server's clock.
fn age(before: &View, view: &View) -> Duration {
    Duration::from_millis(grown(before.uptime_ms, view.uptime_ms))
}

fn bad(text: String) -> Verdict {
    Verdict { weight: Weight::Bad, text }
}

fn note(text: String) -> Verdict {
    Verdict { weight: Weight::Note, text }
}

fn phase(view: &View) -> Option<Verdict> {
    match view.phase {
        Phase::Serving => None,
        Phase::Paused => Some(note(
            "it is paused: new clients wait, and those that are connected are served".to_owned(),
        )),
        Phase::Draining => Some(note(format!(
            "it ends: nobody new is accepted, and {} are left",
            count(view.connections.open, "connection")
        ))),
    }
}

/// Two views, and the time between them in words.
struct Looked<'a> {
    judge: &'a Judge,
    before: &'a View,
    view: &'a View,
    /// How long packets waited, between the last two views that are not too close.
    wait: Option<Wait>,
    in_span: String,
}

/// What a stall line has grown by.
struct Stalled<'a> {
    line: &'a StallLine,
    times: u64,
    ms: f64,
}

impl Looked<'_> {
    /// The stalls since the first view, the one that took most time first.
    fn stalled(&self) -> Vec<Stalled<'_>> {
        let same = |one: &StallLine, other: &StallLine| {
            one.name == other.name && one.kind == other.kind && one.asleep_in == other.asleep_in
        };
        let mut stalled: Vec<_> = self
            .view
            .stalls
            .iter()
            .filter_map(|line| {
                let former = self.before.stalls.iter().find(|it| same(it, line));
                let (count, total_ms) = former.map_or((0, 0.0), |it| (it.count, it.total_ms));
                let times = grown(count, line.count);
                (times > 0).then(|| Stalled {
                    line,
                    times,
                    ms: (line.total_ms - total_ms).max(0.0),
                })
            })
            .collect();
        stalled.sort_by(|one, other| other.ms.total_cmp(&one.ms));
        stalled
    }

    fn all_blocked(&self) -> Option<Verdict> {
        let (before, port) = (self.before.port.as_ref(), self.view.port.as_ref()?);
        let often = grown(before.map_or(0, |port| port.exhausted), port.exhausted);
        let is_now = port.most_threads > 0 && port.paused >= port.most_threads && port.queued > 0;
        if often == 0 && !is_now {
            return None;
        }
        let who = self.culprit().map_or(String::new(), |who| format!(" by {who}"));
        let what = if is_now {
            format!("are blocked{who}, and {}", packets_wait(port))
        } else {
            format!("were blocked{who}, {} {}, while packets waited", times(often), self.in_span)
        };
        Some(bad(format!(
            "all {} {what}: raise --threads, or limit what blocks",
            count(port.most_threads, "thread")
        )))
    }

    /// The handler that blocks most.
    fn culprit(&self) -> Option<String> {
        let blocks = |kind: StallKind| kind != StallKind::Computes;
        let stalled = self.stalled();
        if let Some(most) = stalled.iter().find(|it| blocks(it.line.kind)) {
            return Some(asleep(&most.line.name, most.line.asleep_in.as_deref()));
        }
        let busy = self.view.busy.iter().find(|it| blocks(it.kind))?;
        Some(asleep(&busy.name, busy.asleep_in.as_deref()))
    }

    fn panicked(&self) -> Option<Verdict> {
        let of = |view: &View| view.port.as_ref().map_or(0, |port| port.panicked);
        let often = grown(of(self.before), of(self.view));
        (often > 0).then(|| {
            bad(format!(
                "a handler panicked {} {}: each time a connection was lost, and the log has the words",
                times(often),
                self.in_span
            ))
        })
    }

    fn stalls(&self) -> Option<Verdict> {
        let stalled = self.stalled();
        let most = stalled.first()?;
        let each_ms = most.ms / most.times as f64;
        let what = match (most.line.kind, &most.line.asleep_in) {
            (StallKind::Blocks, Some(call)) => format!("blocks (asleep in {call})"),
            (StallKind::Blocks, None) => "blocks".to_owned(),
            (StallKind::Computes, _) => "computes".to_owned(),
            (StallKind::Unknown, _) => "holds its thread".to_owned(),
        };
        let text = format!(
            "{} {what} for {}, {} {}{}",
            named(&most.line.name),
            words::ms(each_ms),
            times(most.times),
            self.in_span,
            self.threads(most.line.kind)
        );
        Some(self.weighed(text))
    }

    /// A handler that holds its thread is bad where others wait for one meanwhile.
    fn weighed(&self, text: String) -> Verdict {
        let is_queued = self.view.port.as_ref().is_none_or(|port| port.queued > 0);
        if is_queued || self.long_wait().is_some() { bad(text) } else { note(text) }
    }

    /// What 99 of 100 packets stayed below, if that is long.
    fn long_wait(&self) -> Option<Duration> {
        self.wait.map(|wait| wait.p99).filter(|wait| *wait >= LONG_WAIT)
    }

    /// How many packets wait, and how long if that is long.
    fn packets(&self, port: &PortView) -> String {
        match self.long_wait().map(words::short) {
            None => packets_wait(port),
            Some(wait) if port.queued == 0 => {
                format!("no packet waits now, and 99 of 100 waited less than {wait}")
            }
            Some(wait) => format!("{}, 99 of 100 less than {wait}", packets_wait(port)),
        }
    }

    /// What becomes of the threads when a handler does this.
    fn threads(&self, kind: StallKind) -> String {
        let Some(port) = &self.view.port else { return String::new() };
        match kind {
            StallKind::Computes => format!(": {}, {}", running(port), self.packets(port)),
            StallKind::Blocks | StallKind::Unknown => {
                let all = port.waiting + port.released + port.paused;
                let are = if port.paused == 1 { "is" } else { "are" };
                format!(
                    ": {} of {} {are} paused, {}",
                    grouped(port.paused),
                    count(all, "thread"),
                    self.packets(port)
                )
            }
        }
    }

    fn busy(&self) -> Option<Verdict> {
        let BusyThread { thread, name, kind, asleep_in, for_ms } = self.view.busy.first()?;
        let what = match (kind, asleep_in) {
            (StallKind::Blocks, Some(call)) => format!("blocks (asleep in {call})"),
            (StallKind::Blocks, None) => "blocks".to_owned(),
            (StallKind::Computes, _) => "computes".to_owned(),
            (StallKind::Unknown, _) => "has not come back".to_owned(),
        };
        Some(self.weighed(format!(
            "{} {what} on thread {thread}, for {} by now{}",
            named(name),
            words::ms(*for_ms as f64),
            self.threads(*kind)
        )))
    }

    /// All threads run that may, and packets wait long for one.
    fn computing(&self) -> Option<Verdict> {
        let port = self.view.port.as_ref()?;
        let is_full = |view: &View| {
            view.port
                .as_ref()
                .is_some_and(|port| port.released >= port.concurrency && port.queued > 0)
        };
        // One look finds threads running and a packet queued on a server that is merely used.
        let lately = self.judge.views.iter().rev().take(2).filter(|view| is_full(view));
        if !is_full(self.view) || lately.count() < 2 || self.long_wait().is_none() {
            return None;
        }
        Some(bad(format!("handlers compute: {}, {}", running(port), self.packets(port))))
    }

    fn lost_clients(&self) -> Option<Verdict> {
        let (before, now) = (&self.before.connections, &self.view.connections);
        let deferrals = grown(before.accept_deferrals, now.accept_deferrals);
        if deferrals > 0 {
            return Some(bad(format!(
                "no descriptor was free for new clients, {} {}: they wait until others leave; raise the \
                 limit of descriptors",
                times(deferrals),
                self.in_span
            )));
        }
        let refused = grown(before.refused, now.refused);
        if refused > 0 {
            return Some(note(format!(
                "{} refused {}, since their clients had as many as they may",
                were(refused, "connection"),
                self.in_span
            )));
        }
        let kinds = |view: &View| {
            let errors = view.errors;
            [errors.reset, errors.timed_out, errors.aborted, errors.other]
        };
        let names =
            ["reset by the client", "silent for too long", "ended by the server", "other errors"];
        let grown_by = kinds(self.before).into_iter().zip(kinds(self.view)).zip(names);
        let told: Vec<String> = grown_by
            .map(|((before, now), name)| (grown(before, now), name))
            .filter(|(number, _)| *number > 0)
            .map(|(number, name)| format!("{} {name}", grouped(number)))
            .collect();
        let all = grown(errors(self.before), errors(self.view));
        (all > 0).then(|| {
            note(format!("{} lost {}: {}", were(all, "connection"), self.in_span, told.join(", ")))
        })
    }

    fn silence(&self) -> Option<Verdict> {
        let came = grown(self.before.traffic.messages, self.view.traffic.messages);
        if came > 0 {
            return None;
        }
        Some(note(match self.view.connections.open {
            0 => "no client is connected".to_owned(),
            open => {
                let are = if open == 1 { "is" } else { "are" };
                format!(
                    "no client sends: {} {are} open, and nothing came {}",
                    count(open, "connection"),
                    self.in_span
                )
            }
        }))
    }

    fn good(&self) -> Verdict {
        let wait = self.wait.map_or(String::new(), |wait| {
            format!(": 99 of 100 packets wait less than {}", words::short(wait.p99))
        });
        Verdict { weight: Weight::Good, text: format!("nothing is wrong{wait}") }
    }
}

/// The name of a handler, which may say itself that it is one.
fn named(name: &str) -> String {
    if name.contains("handler") { name.to_owned() } else { format!("handler {name}") }
}

/// The same, and where it sleeps.
fn asleep(name: &str, call: Option<&str>) -> String {
    let call = call.map_or(String::new(), |call| format!(" (asleep in {call})"));
    named(name) + &call
}

fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{} times", grouped(number)) }
}

fn were(number: u64, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "was" } else { "were" })
}

fn packets_wait(port: &PortView) -> String {
    match port.queued {
        0 => "no packet waits".to_owned(),
        1 => "1 packet waits".to_owned(),
        queued => format!("{} packets wait", grouped(queued)),
    }
}

fn running(port: &PortView) -> String {
    if port.released >= port.concurrency {
        let threads = if port.concurrency == 1 { "thread runs" } else { "threads run" };
        format!("all {} allowed {threads}", grouped(port.concurrency))
    } else {
        format!("{} of {} allowed threads run", grouped(port.released), grouped(port.concurrency))
    }
}

#[cfg(test)]
mod tests;
