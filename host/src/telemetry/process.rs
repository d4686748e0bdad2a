//! The process, its build, and the file system of its data folder, as each scrape finds them. Names and units of `process_*`
//! are those of Prometheus' client libraries. What the system does not say has no series.

use prometheus::core::Collector;
use prometheus::{CounterVec, GaugeVec, Opts};
use scry_os::process::{DiskSpace, ProcessUse};
use std::path::Path;

/// One moment of the process.
#[derive(Debug)]
pub(super) struct ProcessScrape {
    build: GaugeVec,
    cpu_seconds: CounterVec,
    open_fds: GaugeVec,
    max_fds: GaugeVec,
    resident_bytes: GaugeVec,
    virtual_bytes: GaugeVec,
    virtual_max_bytes: GaugeVec,
    start_seconds: GaugeVec,
    disk_free_bytes: GaugeVec,
    disk_size_bytes: GaugeVec,
}

impl ProcessScrape {
    /// Now.
    pub(super) fn new(data_dir: &Path) -> Result<Self, prometheus::Error> {
        let (used, disk) = (ProcessUse::now(), DiskSpace::of(data_dir));
        let cpu_seconds = Opts::new("process_cpu_seconds_total", "Processor time of all threads, user and system.");
        let cpu_seconds = CounterVec::new(cpu_seconds, &[])?;
        cpu_seconds.with_label_values::<&str>(&[]).inc_by(used.cpu.as_secs_f64());
        let build = GaugeVec::new(Opts::new("scry_build_info", "1, with the version of this host."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        Ok(Self {
            build,
            cpu_seconds,
            open_fds: whole("process_open_fds", "Open file descriptors.", used.open_fds)?,
            max_fds: whole("process_max_fds", "The limit of open file descriptors.", used.max_fds)?,
            resident_bytes: whole("process_resident_memory_bytes", "Memory that is present.", used.resident_bytes)?,
            virtual_bytes: whole("process_virtual_memory_bytes", "Address space.", used.virtual_bytes)?,
            virtual_max_bytes: whole(
                "process_virtual_memory_max_bytes",
                "The limit of the address space.",
                used.virtual_max_bytes,
            )?,
            start_seconds: gauge(
                "process_start_time_seconds",
                "When the process started, since the Unix epoch.",
                used.started.map(|started| started.as_secs_f64()),
            )?,
            disk_free_bytes: whole(
                "scry_disk_free_bytes",
                "What may still be written to the file system of the data folder.",
                disk.map(|disk| disk.free_bytes),
            )?,
            disk_size_bytes: whole(
                "scry_disk_size_bytes",
                "The size of the file system of the data folder.",
                disk.map(|disk| disk.size_bytes),
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [&dyn Collector; 10] {
        [
            &self.build,
            &self.cpu_seconds,
            &self.open_fds,
            &self.max_fds,
            &self.resident_bytes,
            &self.virtual_bytes,
            &self.virtual_max_bytes,
            &self.start_seconds,
            &self.disk_free_bytes,
            &self.disk_size_bytes,
        ]
    }
}

fn whole(name: &str, help: &str, value: Option<u64>) -> Result<GaugeVec, prometheus::Error> {
    gauge(name, help, value.map(|value| value as f64))
}

/// Without labels, and without a series where there is no value.
fn gauge(name: &str, help: &str, value: Option<f64>) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(name, help), &[])?;
    if let Some(value) = value {
        gauge.with_label_values::<&str>(&[]).set(value);
    }
    Ok(gauge)
}
