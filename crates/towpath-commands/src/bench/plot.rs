//! A picture: messages per second against the batch size, the store beside the bare loops.

use std::path::Path;

use plotters::prelude::*;
use towpath_core::{Error, Kind};

use super::figure::Figure;
use crate::exit::Result;

const SIZE: (u32, u32) = (900, 540);
/// Colours that people tell apart who do not see all: after Okabe and Ito, "Color Universal Design".
const STORE: RGBColor = RGBColor(0, 114, 178);
const OWN: RGBColor = RGBColor(230, 159, 0);
const LIMIT: RGBColor = RGBColor(0, 0, 0);

/// Draws the curves that are among `figures` into a file.
pub(super) fn draw(path: &Path, figures: &[Figure]) -> Result<()> {
    let svg = render(figures).map_err(|error| {
        let text = format!("the picture cannot be drawn: {error}");
        Error::new(Kind::Storage, text)
    })?;
    std::fs::write(path, svg).map_err(|error| {
        let text = format!("{} cannot be written", path.display());
        Error::new(Kind::Storage, text).with_source(error).into()
    })
}

/// How drawing fails: only in writing, which is into memory here.
type Undrawn = DrawingAreaErrorKind<std::io::Error>;

fn render(figures: &[Figure]) -> Result<String, Undrawn> {
    let most = figures
        .iter()
        .filter(|figure| figure.point.is_some())
        .map(|figure| figure.value.median)
        .fold(10_000.0, f64::max);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(SIZE.0 / 2);
        panel(&left, "submit", figures, most)?;
        panel(&right, "settle + claim", figures, most)?;
        root.present()?;
    }
    Ok(svg)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    verb: &str,
    figures: &[Figure],
    most: f64,
) -> Result<(), Undrawn> {
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{verb}, messages per second"), ("sans-serif", 18))
        .margin(12)
        // The last number below stands half beyond its end.
        .margin_right(28)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (1f64..1_000f64).log_scale(),
            (1_000f64..most * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("messages per batch")
        .x_label_formatter(&|value| whole(*value))
        .y_label_formatter(&|value| whole(*value))
        .light_line_style(WHITE)
        .draw()?;
    let curves = [
        (verb.to_owned(), "store", STORE),
        (format!("{verb}, own"), "own: its statements alone", OWN),
        (format!("{verb}, L4"), "L4: the leanest layout", LIMIT),
    ];
    for (curve, label, colour) in curves {
        let points: Vec<(f64, f64)> = figures
            .iter()
            .filter_map(|figure| {
                let (of, batch) = figure.point?;
                (of == curve).then_some((batch as f64, figure.value.median))
            })
            .collect();
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(3))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

fn whole(value: f64) -> String {
    indicatif::HumanCount(value as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::Phase;
    use super::super::figure::{Spread, Unit};
    use super::*;

    #[test]
    fn every_curve_is_drawn_and_named() {
        let point = |curve, batch, value| {
            Figure::new(Phase::Layout, "", Unit::PerSecond, Spread::one(value)).at(curve, batch)
        };
        let figures = [
            point("submit", 1, 20_000.0),
            point("submit", 1_000, 200_000.0),
            point("submit, own", 1, 40_000.0),
            point("submit, own", 1_000, 300_000.0),
            point("settle + claim", 100, 90_000.0),
        ];
        let svg = render(&figures).unwrap();
        assert!(svg.starts_with("<svg"), "{svg}");
        for expected in [
            "messages per batch",
            "own: its statements alone",
            "settle + claim",
        ] {
            assert!(svg.contains(expected), "{expected}");
        }
        assert!(
            !svg.contains("the leanest layout"),
            "a curve without points has no name"
        );
    }
}
