//! A plot of one figure over one axis, a line for each server.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use crate::points::{Point, Points, grouped, short};

/// What lies on the axis of a series.
#[derive(Clone, Copy)]
pub struct Axis {
    pub name: &'static str,
}

impl Axis {
    /// The axis of the series of this name.
    pub fn of(series: &str) -> Option<Self> {
        let name = match series {
            "connections" | "crowds" => "connections",
            "sizes" => "bytes of a message",
            "threads" => "threads",
            "blocking" => "connections whose handler sleeps",
            _ => return None,
        };
        Some(Self { name })
    }
}

/// What a figure of this name is, with its unit.
pub fn unit_of(figure: &str) -> Option<&'static str> {
    match figure {
        "processor_us" => Some("processor time of a message at the server, us"),
        "p99_us" => Some("99th percentile of the latencies, us"),
        "bytes" => Some("memory of the server for a connection, bytes"),
        "per_second" => Some("messages a second"),
        _ => None,
    }
}

const SIZE: (u32, u32) = (720, 360);

/// Readable on white and on black, and to those who see few colours; marks differ as well.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];
const GREY: RGBColor = RGBColor(118, 118, 118);

/// Draws it. Places and figures lie apart by factors.
pub fn draw(file: &Path, points: &Points, axis: &Axis, unit: &str) -> anyhow::Result<()> {
    plot(file, points, axis, unit)
        .map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
}

fn plot(
    file: &Path,
    points: &Points,
    axis: &Axis,
    unit: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let ends = |pick: fn(&Point) -> f64| {
        let values = points.iter().map(pick);
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (first, last) = ends(|it| it.at);
    let (low, high) = (ends(|it| it.least).0, ends(|it| it.greatest).1);
    let (across, up) = (first..last * 1.05, low * 0.8..high * 1.25);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    let text = ("sans-serif", 13).into_font().color(&GREY);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(across.log_scale(), up.log_scale())?;
    chart
        .configure_mesh()
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.4))
        .light_line_style(TRANSPARENT)
        .label_style(text.clone())
        .x_desc(axis.name)
        .y_desc(unit)
        .x_label_formatter(&|at| grouped(*at))
        .y_label_formatter(&|figure| short(*figure))
        .draw()?;
    for (number, server) in points.servers().into_iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let own: Vec<_> = points.iter().filter(|point| point.server == server).collect();
        let line = own.iter().map(|point| (point.at, point.value));
        chart
            .draw_series(LineSeries::new(line.clone(), colour.stroke_width(2)))?
            .label(server)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        chart.draw_series(own.iter().map(|point| {
            PathElement::new([(point.at, point.least), (point.at, point.greatest)], colour.mix(0.6))
        }))?;
        match number {
            0 => chart.draw_series(line.map(|at| Circle::new(at, 4, colour.filled())))?,
            1 => chart.draw_series(line.map(|at| TriangleMarker::new(at, 6, colour.filled())))?,
            _ => chart.draw_series(line.map(|at| Cross::new(at, 5, colour.stroke_width(2))))?,
        };
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(text)
        .background_style(TRANSPARENT)
        .draw()?;
    area.present()?;
    Ok(())
}
