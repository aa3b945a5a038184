//! docs/benchmarks.svg: CPU time per operation of each server, redis-server being 1, for each pipeline depth.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;

use super::results::{Results, median_ratio};
use crate::tools::Outcome;

const GROUPS: &[(&str, &str)] = &[("mixed-p1", "P=1"), ("mixed-p16", "P=16"), ("mixed-p64", "P=64")];
const SERVERS: &[(&str, RGBColor)] =
    &[("floor", RGBColor(189, 195, 199)), ("torc", RGBColor(39, 110, 163)), ("redis", RGBColor(192, 84, 62))];
const SIZE: (u32, u32) = (760, 400);
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the plot to `path`; nothing is drawn when nothing of it has been measured.
///
/// # Errors
/// The file cannot be written.
pub fn write(results: &Results, path: &str) -> Outcome<()> {
    let bars = bars(results);
    if bars.is_empty() {
        return Ok(());
    }
    draw(&bars, path).map_err(|error| format!("{path}: {error}"))
}

struct BarShape {
    group: usize,
    server: usize,
    ratio: f64,
}

fn bars(results: &Results) -> Vec<BarShape> {
    let mut bars = Vec::new();
    for (group, (scenario, _)) in GROUPS.iter().enumerate() {
        let Some(result) = results.scenarios.get(*scenario) else { continue };
        let Some(redis) = result.contender("redis") else { continue };
        for (server, (label, _)) in SERVERS.iter().enumerate() {
            let ratio = result.contender(label).and_then(|it| median_ratio(it, redis, "server_cpu_us_per_op"));
            bars.extend(ratio.map(|ratio| BarShape { group, server, ratio }));
        }
    }
    bars
}

fn draw(bars: &[BarShape], path: &str) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let top = bars.iter().map(|bar| bar.ratio).fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&area)
        .caption("CPU time per operation, redis-server = 1 (less is better)", (FONT, 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..GROUPS.len() as f64, 0.0..top)?;
    let mesh_label = |_: &f64| String::new();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .x_label_formatter(&mesh_label)
        .y_label_style((FONT, 13))
        .draw()?;
    for bar in bars {
        let (left, right) = edges(bar);
        let color = SERVERS[bar.server].1;
        chart.draw_series([Rectangle::new([(left, 0.0), (right, bar.ratio)], color.filled())])?;
        let label = (left + 0.02, bar.ratio + top * 0.045);
        chart.draw_series([Text::new(format!("{:.2}", bar.ratio), label, (FONT, 13))])?;
    }
    for (group, (_, name)) in GROUPS.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(group as f64 + 0.46, 0.0));
        area.draw(&Text::new(*name, (x, y + 10), (FONT, 14)))?;
    }
    legend(&area)?;
    area.present()?;
    Ok(())
}

/// Where a bar begins and ends on the axis, a group being 1 wide.
fn edges(bar: &BarShape) -> (f64, f64) {
    let width = 0.8 / SERVERS.len() as f64;
    let left = bar.group as f64 + 0.1 + bar.server as f64 * width;
    (left, left + width * 0.92)
}

fn legend(area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    for (index, (name, color)) in SERVERS.iter().enumerate() {
        let (x, y) = (SIZE.0 as i32 - 250 + index as i32 * 80, 44);
        area.draw(&Rectangle::new([(x, y), (x + 12, y + 12)], color.filled()))?;
        area.draw(&Text::new(*name, (x + 17, y), (FONT, 14)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_do_not_overlap() {
        let all: Vec<_> = (0..GROUPS.len())
            .flat_map(|group| (0..SERVERS.len()).map(move |server| edges(&BarShape { group, server, ratio: 1.0 })))
            .collect();
        assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(all.last().is_some_and(|last| last.1 < GROUPS.len() as f64));
    }

    #[test]
    fn nothing_measured_draws_nothing() {
        let path = std::env::temp_dir().join(format!("torc-plot-{}.svg", std::process::id()));
        write(&Results::default(), path.to_str().unwrap()).unwrap();
        assert!(!path.exists());
    }
}
