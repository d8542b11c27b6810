//! Integration tests: one program, a module a subject.

#![cfg(test)]

mod access;
mod audit;
mod bad_payloads;
mod ceremony;
mod chaos;
mod cli;
mod collector;
mod config;
mod contract;
mod custody;
mod custody_rotation;
mod custody_worker;
mod desk;
mod dsc_plan;
mod duty;
mod failover;
mod faults;
mod faulty_token;
mod full_disk;
mod health;
mod jwt;
mod keeping;
mod layering;
mod ledger;
mod life;
mod load;
mod modules;
mod monitoring;
mod office;
mod officers;
mod person;
mod person_config;
mod person_keys;
mod pki;
mod postgres;
mod pressure;
mod probe;
mod properties;
mod python_client;
mod recovery;
mod retries;
mod revocation;
mod revoke;
mod rotation;
mod service;
#[path = "../shared/mod.rs"]
mod shared;
mod ship;
mod softhsm;
mod streams;
mod support;
mod testdata;
mod vectors;
mod workers;
