//! What a metric is, and its samples in the form of the `prometheus` library.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::metrics::Distribution;

pub(super) const MICROS: f64 = 1e6;

/// Adds the samples that a `T` has.
type Read<T> = fn(&T, &mut Samples);

/// How a metric is named, what it means, and where its samples come from.
pub(super) struct Family<T> {
    name: &'static str,
    kind: MetricType,
    help: &'static str,
    read: Read<T>,
}

macro_rules! constructors {
    ($($name:ident $kind:ident),*) => {$(
        pub(super) const fn $name<T>(
            name: &'static str,
            help: &'static str,
            read: Read<T>,
        ) -> Family<T> {
            Family { name, kind: MetricType::$kind, help, read }
        }
    )*};
}

constructors!(gauge GAUGE, counter COUNTER, histogram HISTOGRAM);

/// Adds the families of a source that have samples.
pub(super) fn add<T>(found: &mut Vec<MetricFamily>, families: &[Family<T>], source: &T) {
    for family in families {
        let mut samples = Samples {
            kind: family.kind,
            metrics: Vec::new(),
        };
        (family.read)(source, &mut samples);
        if samples.metrics.is_empty() {
            continue;
        }
        let mut metrics = MetricFamily::default();
        // Metrics of processes have the names that they have in every program.
        let is_common = family.name.starts_with("process_");
        let prefix = if is_common { "" } else { "messagebox_" };
        metrics.set_name(format!("{prefix}{}", family.name));
        metrics.set_help(family.help.to_owned());
        metrics.set_field_type(family.kind);
        metrics.set_metric(samples.metrics);
        found.push(metrics);
    }
}

/// The samples of one family.
pub(super) struct Samples {
    kind: MetricType,
    metrics: Vec<Metric>,
}

impl Samples {
    pub(super) fn one(&mut self, value: impl Number) {
        self.labelled(&[], value);
    }

    pub(super) fn some(&mut self, value: Option<impl Number>) {
        if let Some(value) = value {
            self.one(value);
        }
    }

    /// One sample for each value of a label.
    pub(super) fn each<L: AsRef<str>, N: Number>(
        &mut self,
        label: &'static str,
        samples: impl IntoIterator<Item = (L, N)>,
    ) {
        for (value, number) in samples {
            self.labelled(&[(label, value.as_ref())], number);
        }
    }

    pub(super) fn labelled(&mut self, labels: &[(&str, &str)], value: impl Number) {
        let pair = |(name, value): &(&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        let mut metric = Metric::from_label(labels.iter().map(pair).collect());
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value.float());
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value.float());
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// `unit`: how many of the recorded unit are one of the metric's.
    pub(super) fn distribution(&mut self, values: &Distribution, unit: f64) {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(values.count());
        histogram.set_sample_sum(values.sum.float() / unit);
        let bucket = |(bound, below): (u64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound.float() / unit);
            bucket.set_cumulative_count(below);
            bucket
        };
        histogram.set_bucket(values.cumulative().map(bucket).collect());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }
}

/// The format has no numbers but floats.
pub(super) trait Number {
    fn float(self) -> f64;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Number for $type {
            #[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
            fn float(self) -> f64 {
                self as f64
            }
        }
    )*};
}

numbers!(u64, i64, usize);

impl Number for u32 {
    fn float(self) -> f64 {
        self.into()
    }
}

impl Number for f64 {
    fn float(self) -> f64 {
        self
    }
}

impl Number for bool {
    fn float(self) -> f64 {
        f64::from(u8::from(self))
    }
}
