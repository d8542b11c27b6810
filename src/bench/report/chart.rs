//! A chart of lines as SVG; its colours are the page's.

use std::fmt::Write;

use super::axis::Axis;
use super::html::escape;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// A chart with its heading and legend.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What a reader has to know of it.
    pub(super) caption: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// What shows under the pointer: from and to in x, and a text.
    pub(super) hints: Vec<(f64, f64, String)>,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// Its colour in style.css, and `dashed` or `thin`.
    pub(super) class: &'static str,
    /// In the order of x; a gap where there is no y.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

impl Chart {
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        let title = escape(&self.title);
        writeln!(out, "<figure><figcaption><h4>{title}</h4>")?;
        self.write_legend(out)?;
        writeln!(out, "</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">")?;
        self.write_axes(out)?;
        for line in &self.lines {
            writeln!(out, "<path class=\"line {}\" d=\"{}\"/>", line.class, self.path(line))?;
        }
        for (from, to, text) in &self.hints {
            let (left, right) = (self.x(*from), self.x(*to));
            let (width, height) = ((right - left).max(0.5), HEIGHT - TOP - BOTTOM);
            let text = escape(text);
            writeln!(
                out,
                "<rect class=\"hint\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{text}</title></rect>"
            )?;
        }
        writeln!(out, "</svg>")?;
        if !self.caption.is_empty() {
            writeln!(out, "<p>{}</p>", escape(self.caption))?;
        }
        writeln!(out, "</figure>")
    }

    fn write_legend(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "<div class=\"legend\">")?;
        for line in &self.lines {
            write!(out, "<span><i class=\"key {}\"></i>{}</span>", line.class, escape(&line.name))?;
        }
        writeln!(out, "</div>")
    }

    fn write_axes(&self, out: &mut String) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (value, text) in &self.y.ticks {
            let y = self.y(*value);
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            )?;
        }
        for (value, text) in &self.x.ticks {
            let x = self.x(*value);
            writeln!(
                out,
                "<path class=\"tick\" d=\"M{x:.1} {bottom}v4\"/><text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\">{text}</text>",
                bottom + 17.0
            )?;
        }
        writeln!(out, "<path class=\"base\" d=\"M{LEFT} {bottom}H{right}\"/>")?;
        writeln!(
            out,
            "<text class=\"x name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            (LEFT + right) / 2.0,
            HEIGHT - 6.0,
            self.x.label
        )?;
        writeln!(
            out,
            "<text class=\"y name\" transform=\"translate(12 {:.1}) rotate(-90)\">{}</text>",
            (TOP + bottom) / 2.0,
            self.y.label
        )
    }

    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        let mut is_drawing = false;
        for (index, (x, y)) in line.points.iter().enumerate() {
            let Some(y) = y else {
                is_drawing = false;
                continue;
            };
            let (x, y) = (self.x(*x), self.y(*y));
            let _ = write!(path, "{}{x:.1} {y:.1}", if is_drawing { 'L' } else { 'M' });
            // A point alone between two gaps would not be seen.
            let is_alone = !is_drawing && line.points.get(index + 1).is_none_or(|(_, next)| next.is_none());
            if is_alone {
                path.push_str("h0.1");
            }
            is_drawing = true;
        }
        path
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }
}
