import { type AuditResult, mean, type Outcome } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { fixed, percent, signed } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { armClass, average } from "./arms.ts";
import type { Section } from "./section.ts";
