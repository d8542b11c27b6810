//! Costs from a result of `sceau bench load`, instead of those that are built in.

use serde::Deserialize;

use super::costs::Costs;
use crate::domain::Lane;

/// What an item's request and answer have beside payload and HC1 text: item_id, UVCI, kid, times, and protobuf's own.
const REQUEST_BESIDE: f64 = 23.0;
const ANSWER_BESIDE: f64 = 89.0;
/// Below so many items a figure is luck.
const ENOUGH_ITEMS: u64 = 1_000;

/// Of the result, what a plan needs; `bench load` writes more.
#[derive(Debug, Deserialize)]
struct Measured {
    schema: u32,
    started_at: String,
    version: String,
    machine: Machine,
    lanes: Vec<LaneMeasured>,
    service: Option<Service>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    cpu: String,
    cores: u32,
}

#[derive(Debug, Deserialize)]
struct LaneMeasured {
    lane: Lane,
    items: Items,
    bytes: Bytes,
    throughput: Throughput,
}

#[derive(Debug, Deserialize)]
struct Items {
    signed: u64,
}

#[derive(Debug, Deserialize)]
struct Bytes {
    payloads: u64,
    certificates: u64,
}

#[derive(Debug, Deserialize)]
struct Throughput {
    items_per_second: f64,
}

#[derive(Debug, Deserialize)]
struct Service {
    cpu_cores: f64,
}

/// Why a result gives no costs.
#[derive(Debug, thiserror::Error)]
pub enum NoCosts {
    /// It is no result.
    #[error("no result of `sceau bench load --json`: {0}")]
    Form(#[from] serde_json::Error),
    /// Another version's.
    #[error("the result has schema {0}; this version reads 1")]
    Schema(u32),
    /// The service was not asked.
    #[error("the result says nothing of the service's CPU time; measure with --metrics")]
    NoService,
    /// Too little was signed.
    #[error("the result has {0} items signed in the bulk lane; 1,000 or more say what one costs")]
    TooFew(u64),
    /// The figures do not fit together.
    #[error(
        "the interactive items alone account for the service's CPU time; measure with the bulk lane alone, as fast as it goes"
    )]
    Mixed,
}

impl Costs {
    /// The CPU time of the service for a certificate of the bulk lane, and the bytes of one, from a result; the rest is built in,
    /// for a result does not tell it: what workers take, the disk, an interactive one.
    ///
    /// # Errors
    /// [`NoCosts`].
    pub fn measured(json: &[u8]) -> Result<Self, NoCosts> {
        let measured: Measured = serde_json::from_slice(json)?;
        if measured.schema != 1 {
            return Err(NoCosts::Schema(measured.schema));
        }
        let service = measured.service.as_ref().ok_or(NoCosts::NoService)?;
        let lane = |lane: Lane| measured.lanes.iter().find(|measured| measured.lane == lane);
        let bulk = lane(Lane::Bulk).filter(|bulk| bulk.items.signed >= ENOUGH_ITEMS);
        let bulk = bulk.ok_or_else(|| NoCosts::TooFew(lane(Lane::Bulk).map_or(0, |bulk| bulk.items.signed)))?;
        let mut costs = Self::built_in();
        let single = lane(Lane::Interactive).map_or(0.0, |single| single.throughput.items_per_second);
        let left = service.cpu_cores * 1e6 - single * costs.interactive.local.service_us;
        let service_us = left / bulk.throughput.items_per_second;
        if !(service_us.is_finite() && service_us > 0.01) {
            return Err(NoCosts::Mixed);
        }
        (costs.bulk.local.service_us, costs.bulk.device.service_us) = (service_us, service_us);
        let signed = bulk.items.signed as f64;
        let (request, answer) = (bulk.bytes.payloads as f64 / signed, bulk.bytes.certificates as f64 / signed);
        for cost in [&mut costs.bulk, &mut costs.interactive] {
            cost.request_bytes = request + REQUEST_BESIDE;
            cost.answer_bytes = answer + ANSWER_BESIDE;
        }
        let Machine { cpu, cores } = &measured.machine;
        let (at, version, built_in) = (&measured.started_at, &measured.version, &costs.source);
        costs.source = format!("of the bulk lane measured: {cores} cores, {cpu}, {at}, sceau {version}; the others {built_in}");
        Ok(costs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn result() -> Value {
        let lane = |name: &str, signed: u64, rate: f64| {
            let (payloads, certificates) = (signed * 250, signed * 500);
            json!({
                "lane": name, "items": { "signed": signed, "refused": 0 }, "throughput": { "items_per_second": rate },
                "bytes": { "payloads": payloads, "certificates": certificates }, "more": [1, 2],
            })
        };
        json!({
            "schema": 1, "started_at": "2026-11-22T15:00:00Z", "version": "0.1.0", "machine": { "cpu": "Xeon", "cores": 2 },
            "lanes": [lane("bulk", 100_000, 10_000.0), lane("interactive", 200, 20.0)], "service": { "cpu_cores": 0.5 },
        })
    }

    fn costs(result: &Value) -> Result<Costs, NoCosts> {
        Costs::measured(result.to_string().as_bytes())
    }

    #[test]
    fn a_result_says_what_a_bulk_certificate_costs() {
        let measured = costs(&result()).unwrap();
        let built_in = Costs::built_in();
        // (0.5 cores - what 20 interactive ones a second take) / 10,000 a second.
        let wanted = (500_000.0 - 20.0 * built_in.interactive.local.service_us) / 10_000.0;
        assert!((measured.bulk.local.service_us - wanted).abs() < 1e-9);
        assert_eq!((measured.bulk.request_bytes, measured.bulk.answer_bytes), (273.0, 589.0));
        assert_eq!(measured.bulk.local.worker_us, built_in.bulk.local.worker_us);
        assert!(measured.source.contains("2 cores, Xeon, 2026-11-22T15:00:00Z"), "{}", measured.source);
    }

    #[test]
    fn a_result_that_says_too_little_is_refused_with_what_to_do() {
        let without = |change: fn(&mut Value)| {
            let mut result = result();
            change(&mut result);
            costs(&result).unwrap_err().to_string()
        };
        assert!(without(|result| result["service"] = Value::Null).contains("measure with --metrics"));
        assert!(without(|result| result["schema"] = 2.into()).contains("schema 2"));
        assert!(without(|result| result["lanes"][0]["items"]["signed"] = 9.into()).contains("9 items"));
        assert!(without(|result| result["lanes"] = json!([])).contains("0 items"));
        assert!(without(|result| result["service"]["cpu_cores"] = 0.0.into()).contains("bulk lane alone"));
        assert!(costs(&json!({})).unwrap_err().to_string().contains("no result of"));
    }
}
