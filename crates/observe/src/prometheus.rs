//! A view as text in the format OpenMetrics 1.0, which Prometheus reads.

use crate::view::{PortView, StallKind, View};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of a view. Each name begins with `overlapped_`.
///
/// Stalls are labelled by their handler and kind; without it, every connection and every thread is in one
/// sum. The sum of the histogram of waits in the queue is an upper bound, since its buckets are all that is known.
pub fn text(view: &View) -> String {
    let mut registry = Registry::with_prefix("overlapped");
    registry.register_collector(Box::new(Figures(view.clone())));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Figures(View);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Figures(view) = self;
        let mut metrics = Metrics(&mut encoder);
        metrics.gauge("connections", "connections that are open", view.connections.open)?;
        metrics.gauge(
            "connections_peak",
            "most connections at one moment",
            view.connections.peak,
        )?;
        metrics.counter("accepted", "connections accepted", view.connections.accepted)?;
        metrics.counter("refused", "connections closed at once", view.connections.refused)?;
        metrics.counter(
            "accept_deferrals",
            "accepts put off for lack of a descriptor",
            view.connections.accept_deferrals,
        )?;
        metrics.counter("messages", "messages or requests received", view.traffic.messages)?;
        metrics.counter_of("received", "what was received", Unit::Bytes, view.traffic.bytes)?;
        let errors = view.errors;
        let kinds = [
            ("reset", errors.reset),
            ("timed_out", errors.timed_out),
            ("aborted", errors.aborted),
            ("other", errors.other),
        ];
        let kinds = kinds.map(|(kind, count)| ([("kind", kind.to_owned())], count));
        metrics.family("errors", "connections that ended before their time", kinds)?;
        metrics.counter_of(
            "processor",
            "processor time used",
            Unit::Seconds,
            view.processor_seconds,
        )?;
        metrics.gauge("processes", "processes that serve", u64::from(view.processes))?;
        let stalls = view.stalls.iter().map(|stall| {
            let kind = match stall.kind {
                StallKind::Blocks => "blocks",
                StallKind::Computes => "computes",
                StallKind::Unknown => "unknown",
            };
            let asleep_in = stall.asleep_in.clone().unwrap_or_default();
            let labels = [
                ("handler", stall.name.clone()),
                ("kind", kind.to_owned()),
                ("asleep_in", asleep_in),
            ];
            (labels, stall.count)
        });
        metrics.family("stalls", "handlers that held a thread for long", stalls)?;
        match &view.port {
            Some(port) => metrics.port(port),
            None => Ok(()),
        }
    }
}

struct Metrics<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Metrics<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn counter_of<N>(&mut self, name: &str, help: &str, unit: Unit, value: N) -> fmt::Result
    where
        ConstCounter<N>: EncodeMetric,
    {
        let encoder = self.0.encode_descriptor(name, help, Some(&unit), MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn family<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn port(&mut self, port: &PortView) -> fmt::Result {
        self.gauge("devices", "handles associated with the port", port.devices)?;
        self.gauge("queued", "packets in the completion queue", port.queued)?;
        self.gauge("threads_waiting", "threads that wait for a packet", port.waiting)?;
        self.gauge("threads_released", "threads that run", port.released)?;
        self.gauge("threads_paused", "threads that are blocked", port.paused)?;
        self.gauge("threads_most", "threads there may be at most", port.most_threads)?;
        self.gauge("concurrency", "threads that may run at a time", port.concurrency)?;
        self.counter("packets", "packets taken, or completed in place", port.packets)?;
        self.counter(
            "released_on_block",
            "threads let in because another one blocked",
            port.released_on_block,
        )?;
        self.counter("exhausted", "times all threads were blocked", port.exhausted)?;
        self.counter("panics", "handlers that panicked", port.panicked)?;
        let bounds = port.queue_delay_ns.iter();
        let buckets: Vec<(f64, u64)> =
            bounds.map(|(bound_ns, count)| (*bound_ns as f64 / 1e9, *count)).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = buckets.iter().map(|(bound, count)| bound * *count as f64).sum();
        let buckets: Vec<_> = buckets.into_iter().chain([(f64::MAX, 0)]).collect();
        let help = "time from completion to taking, of every sixteenth packet";
        let unit = Some(&Unit::Seconds);
        let mut encoder =
            self.0.encode_descriptor("queue_delay", help, unit, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}
