//! Line plots as inline SVG.

use std::fmt::Write as _;

use crate::measure::figures::{float, thousands, whole};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Divisions of the vertical axis.
const DIVISIONS: u32 = 4;

#[derive(Debug, Clone)]
pub(super) struct PlotLine {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) lines: Vec<PlotLine>,
    /// Labels of the horizontal axis, with their positions.
    pub(super) marks: Vec<(f64, String)>,
    pub(super) horizontal: &'static str,
    /// Formats a value of the vertical axis.
    pub(super) show: fn(f64) -> String,
}

impl Plot {
    /// A plot over time, with labels at round seconds.
    pub(super) fn over_time(
        title: &'static str,
        lines: Vec<PlotLine>,
        show: fn(f64) -> String,
    ) -> Self {
        let ends = bounds(
            lines
                .iter()
                .flat_map(|line| line.points.iter().map(|point| point.0)),
        );
        let (first, last) = ends.unwrap_or((0.0, 1.0));
        let step = round_step((last - first) / 6.0).max(1.0);
        let begin = (first / step).ceil();
        let marks = (0..=12)
            .map(|index| (begin + f64::from(index)) * step)
            .take_while(|at| *at <= last)
            .map(|at| (at, format!("{at:.0} s")))
            .collect();
        Self {
            title,
            lines,
            marks,
            horizontal: "seconds of the traffic",
            show,
        }
    }

    /// The figure with its title and legend, as SVG.
    pub(super) fn svg(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let Some((left, right)) = bounds(points().map(|point| point.0)) else {
            return Ok(());
        };
        let top = bounds(points().map(|point| point.1)).map_or(0.0, |(_, top)| top);
        let step = round_step(top / f64::from(DIVISIONS));
        let top = step * (top / step).ceil().max(1.0);
        let x = |value: f64| {
            let span = (right - left).max(f64::EPSILON);
            LEFT + (value - left) / span * (WIDTH - LEFT - RIGHT)
        };
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        writeln!(out, "<figure><figcaption>{}</figcaption>", self.title)?;
        writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title
        )?;
        let lines = whole((top / step).round());
        for index in 0..=lines {
            let value = step * float(index);
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/><text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
                WIDTH - RIGHT,
                y(value),
                LEFT - 6.0,
                y(value) + 4.0,
                (self.show)(value)
            )?;
        }
        for (at, text) in &self.marks {
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                x(*at),
                HEIGHT - BOTTOM + 16.0
            )?;
        }
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 6.0,
            self.horizontal
        )?;
        for (index, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            for (at, value) in &line.points {
                write!(path, "{:.1},{:.1} ", x(*at), y(*value))?;
            }
            writeln!(
                out,
                "<polyline class=\"line c{}\" points=\"{}\"/>",
                index % 6,
                path.trim_end()
            )?;
        }
        writeln!(out, "</svg>")?;
        if self.lines.len() > 1 {
            write!(out, "<p class=\"legend\">")?;
            for (index, line) in self.lines.iter().enumerate() {
                write!(out, "<span class=\"c{}\">{}</span> ", index % 6, line.name)?;
            }
            writeln!(out, "</p>")?;
        }
        writeln!(out, "</figure>")
    }
}

/// Formats a whole number.
pub(super) fn show_count(value: f64) -> String {
    thousands(whole(value))
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |known, value| match known {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(value: f64) -> f64 {
    if value.is_nan() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let step = factors.into_iter().find(|factor| factor * power >= value);
    step.unwrap_or(10.0) * power
}
