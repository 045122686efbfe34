//! Metrics as the library wants them: each a family of samples that differ in their labels.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::status::Percentiles;

/// A label's name and value.
pub(super) type Label<'a> = (&'static str, &'a str);

#[derive(Default)]
pub(super) struct Families(Vec<MetricFamily>);

impl Families {
    /// What was added, in its order.
    pub(super) fn all(&self) -> &[MetricFamily] {
        &self.0
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        // Without samples there is nothing to say, and the format wants some.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(format!("messagebox_{name}"));
        if let Some(own) = name.strip_prefix('=') {
            family.set_name(own.to_owned());
        }
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Into<Number>) {
        self.gauges(name, help, [(None, value.into())]);
    }

    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Option<Label<'a>>, Number)>,
    ) {
        let sample = |(label, value): (Option<Label<'a>>, Number)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value.0);
            let mut metric = labelled(&label.into_iter().collect::<Vec<_>>());
            metric.set_gauge(gauge);
            metric
        };
        let metrics = samples.into_iter().map(sample).collect();
        self.family(name, help, MetricType::GAUGE, metrics);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Into<Number>) {
        self.counters(name, help, [(Vec::new(), value.into())]);
    }

    pub(super) fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label<'a>>, Number)>,
    ) {
        let sample = |(labels, value): (Vec<Label<'a>>, Number)| {
            let mut counter = Counter::default();
            counter.set_value(value.0);
            let mut metric = labelled(&labels);
            metric.set_counter(counter);
            metric
        };
        let metrics = samples.into_iter().map(sample).collect();
        self.family(name, help, MetricType::COUNTER, metrics);
    }

    /// Values that are counted in a unit of which one of the metric's has so many.
    pub(super) fn histogram(&mut self, name: &str, help: &str, values: &Percentiles, unit: f64) {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(values.count);
        histogram.set_sample_sum(Number::from(values.whole.sum).0 / unit);
        let bucket = |(bound, below): (u64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(Number::from(bound).0 / unit);
            bucket.set_cumulative_count(below);
            bucket
        };
        histogram.set_bucket(values.whole.cumulative().map(bucket).collect());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.family(name, help, MetricType::HISTOGRAM, vec![metric]);
    }
}

fn labelled(labels: &[Label<'_>]) -> Metric {
    let pair = |(name, value): &Label<'_>| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

/// A number as the format has them.
pub(super) struct Number(pub(super) f64);

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has no other numbers"
)]
impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number as f64)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has no other numbers"
)]
impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self(number as f64)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<bool> for Number {
    fn from(is_so: bool) -> Self {
        Self(if is_so { 1.0 } else { 0.0 })
    }
}
