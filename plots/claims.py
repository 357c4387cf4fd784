"""The sentences at the top of the page, and what a reader should doubt: made from the record, never typed in."""

import common
import fig_overview

# How strongly the machine was busy before the run, as load per processor, from which on a reader must know.
LOAD_PER_CPU = 0.5
STEAL_FRACTION = 0.02
FEW_SAMPLES = 20


def claims(data):
    """[{title, text, others}], the most important first; others says the same of the drivers between the extremes."""
    result = [correctness(data), start(data), service(data), sharing(data)]
    return [claim for claim in result if claim]


def correctness(data):
    cases = {row["case"] for _, row in data.conformance}
    series = {s for s, _ in data.conformance}
    wrong = sum(row["verdict"] == "wrong" for _, row in data.workloads)
    if not cases:
        return None
    counts = {name: sum(row["verdict"] == name for _, row in data.conformance) for name in common.VERDICTS}
    findings = sum(counts[name] for name in common.FINDINGS)
    text = f"{len(cases)} cases on {len(series)} drivers: {counts['pass']:,} verdicts pass"
    if counts["xfail"]:
        text += f", {counts['xfail']} are known deviations with their cause"
    if counts["skip"]:
        text += f", {counts['skip']} were skipped for a named missing capability"
    bad = ", ".join(f"{counts[name]} {name}" for name in ("fail", "error", "timeout", "xpass") if counts[name])
    text += f"; findings: {bad}" if findings else "; no unexplained failure"
    if data.workloads:
        right = sum(row["verdict"] == "right" for _, row in data.workloads)
        text += f". Workloads: {right:,} gave the right result"
        text += f", {wrong} a WRONG one (shown without a time)" if wrong else ", none a wrong one"
    return {"title": "Right?", "text": text + ".", "others": ""}


def with_interval(row):
    bounds = common.interval(row)
    text = common.human(common.middle(row), row["unit"])
    if bounds:
        low, high = (common.human(bound, row["unit"]) for bound in bounds)
        text += f" (95 % interval {low} to {high}, n = {row['n']:,})"
    elif row["n"] > 1:
        text += f" (n = {row['n']:,}, too few for an interval)"
    return text


def compared(data, rows, more=lambda series: "", after=lambda series: ""):
    """(text on the smallest and the largest with the factor between them, text on the others). `more` stands behind a
    value, `after` behind the driver's name."""
    order = sorted(rows, key=lambda s: common.middle(rows[s]))
    first, last = order[0], order[-1]
    text = f"{with_interval(rows[first])}{more(first)} on {data.label(first)}{after(first)}"
    if last != first:
        text += f"; {with_interval(rows[last])}{more(last)} on {data.label(last)}{after(last)}"
        if common.middle(rows[first]) > 0:
            factor = common.middle(rows[last]) / common.middle(rows[first])
            text += f": {common.three_digits(factor)} times as much"
    others = "; ".join(f"{data.label(s)} {common.human(common.middle(rows[s]), rows[s]['unit'])}{more(s)}{after(s)}"
                       for s in order[1:-1])
    return text + ".", f"Between them: {others}." if others else ""


def timing(data, workload, metric, title, what):
    params = data.representative_params(workload, metric)
    rows = fig_overview.entries(data, workload, metric, params)
    if not rows:
        return None
    ratios = fig_overview.entries(data, workload, "ratio_to_raw", params) if metric == "latency" else {}

    def ratio(series):
        return f" (×{common.three_digits(ratios[series]['value'])} its raw twin)" if series in ratios else ""

    setting = f" ({common.params_text(params)})" if params else ""
    text, others = compared(data, rows, after=ratio)
    return {"title": title, "text": f"{what.format(setting)} {text}", "others": others}


def start(data):
    return timing(data, "container_start", "latency", "How fast?", "Starting a container{}, from prepare until its program has ended, takes")


def service(data):
    return timing(data, "service_start", "ready_time", "Until it answers?", "The time{} from prepare until the service answers is")


def sharing(data):
    params = fig_overview.nearest(data.params_of("sharing_containers", "pool_bytes"), "containers", 10)
    space = fig_overview.entries(data, "sharing_containers", "pool_bytes", params)
    if not space:
        return None
    inodes = fig_overview.entries(data, "sharing_containers", "inodes", params)

    def count(series):
        return f" and {common.human(common.middle(inodes[series]), 'count')} inodes" if series in inodes else ""

    number = params["containers"]
    text, others = compared(data, space, more=count)
    return {"title": "How small?", "text": f"{number} container{'' if number == '1' else 's'} of one image add to it {text}",
            "others": others}


def threats(data):
    """What limits the numbers, from what the record says of its machine; what it does not say is named as well."""
    result = []
    for number, run in enumerate(data.runs, 1):
        environment = run.record["environment"]
        found = []
        machine = environment.get("hypervisor") or environment.get("virtualization")
        if machine and machine not in ("none", "0"):
            which = "" if machine.startswith("yes") else f" ({machine})"
            found.append(f"The machine is virtual{which}: neighbours may take time and disk.")
        elif machine is None:
            found.append("The record does not say whether the machine is virtual.")
        devices = {s.device for s in data.series if s.run == number - 1}
        if "disk" in devices:
            found.append("Some backing stores are on a disk, which others may share.")
        if "ram" in devices:
            found.append("Backing stores marked ram are file systems on memory: the cost of a real disk is not in them.")
        load, cpus = environment.get("load_before"), environment.get("cpus")
        if load is not None and cpus and load / cpus > LOAD_PER_CPU:
            found.append(f"Load average was {load:g} on {cpus:g} processors when the run began.")
        steal = environment.get("steal_fraction")
        if steal is not None and steal > STEAL_FRACTION:
            found.append(f"The hypervisor took {100 * steal:.1f} % of the processor time.")
        debug = environment.get("kernel_debug") or environment.get("debug_kernel")
        if debug and debug not in ("none", "no", "0", 0):
            found.append(f"The kernel is built for debugging ({debug}): not for publication.")
        few = {row["workload"] for s, row in data.measurements if s.run == number - 1 and row["unit"] == "ns"
               and row["side"] == "driver" and 0 < row["n"] < FEW_SAMPLES}
        if few:
            found.append(f"Fewer than {FEW_SAMPLES} samples: " + ", ".join(sorted(few)) + ".")
        if not run.record["complete"]:
            found.append("The run was interrupted: what is missing was not reached.")
        if run.samples_state != "matches":
            found.append(f"Raw samples: {run.samples_state}.")
        prefix = f"Run {number}: " if len(data.runs) > 1 else ""
        result += [prefix + text for text in found]
    return result
