//! Kills the real binary at every failpoint and starts it again: what was accepted is carried out exactly once.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use registry_server::failpoint;
use serde_json::Value;

use crate::harness::{self, Platform, put};
