//! Draws which partition owns which CPU, memory, device and interrupt, as SVG.
//!
//! From top to bottom: the CPUs; a bar for each bank of memory, to scale; a card for each
//! partition; a card for what no partition owns. Every partition has its colour everywhere, and its
//! name wherever there is room. The colours suit light and dark pages.

use std::fmt::Write;

use bulkhead::arch::addr::{Bytes, Pa, Region};
use bulkhead::boot::machine::{Device, Gic, Machine};
use bulkhead::boot::plan::{PartitionPlan, Plan, PlannedDisk};
use bulkhead::boot::report::cpu_ids;
use bulkhead::vgic::Delivery;

/// The width of the drawing and of its margins, in pixels, as are all lengths here.
const WIDTH: usize = 960;
const MARGIN: usize = 20;
/// The width of what is between the margins.
const INNER: usize = WIDTH - 2 * MARGIN;
/// The width of a character of the text, which is 12 high, and the distance of its lines.
const CHARACTER: usize = 8;
const LINE: usize = 18;
/// The width and height of a CPU with the gap to the next, and of the gap itself.
const CPU: (usize, usize) = (92, 48);
const GAP: usize = 8;
/// The height of a bar of memory.
const BAR: usize = 36;
/// The width of a card, two of which are side by side, and the height of its heading.
const CARD: usize = (INNER - MARGIN) / 2;
const HEADING: usize = 28;

/// The colours of partitions, on which white text can be read; more partitions repeat them.
const COLOURS: [&str; 8] =
    ["#1f5fa8", "#2e7d32", "#a14400", "#7b3fa0", "#00717a", "#a82458", "#5d5f00", "#4f5b66"];

/// The colours that depend on the page: of the background, of what nobody owns, of lines and text.
const STYLE: &str = "\
text { font: 12px monospace; white-space: pre; fill: #1b1b1b }
.page { fill: #ffffff } .free { fill: #e4e4e4 }
.own { fill: #5f666d } .edge { fill: none; stroke: #777777 } .on { fill: #ffffff; font-weight: bold }
.title { font-weight: bold } .warning { fill: #b00020 }
@media (prefers-color-scheme: dark) { text { fill: #eeeeee } .page { fill: #16191d }
.free { fill: #333a42 } .on { fill: #ffffff } .warning { fill: #ff8a80 } }
";

/// A drawing, and how far down it reaches.
struct Drawing {
    text: String,
    y: usize,
}

/// Returns the map of a Plan.
pub fn draw(machine: &Machine, plan: &Plan) -> String {
    let mut drawing = Drawing { text: String::new(), y: MARGIN };
    drawing.heading(&format!("{}, {}", machine.model, gic_name(machine)));
    drawing.cpus(machine, plan);
    drawing.memory(machine, plan);
    drawing.cards(machine, plan);
    let Drawing { text, y } = drawing;
    let colours = COLOURS.iter().enumerate();
    let colours: String =
        colours.map(|(index, colour)| format!(".p{index} {{ fill: {colour} }}\n")).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" \
         height=\"{y}\">\n<style>\n{STYLE}{colours}</style>\n<rect width=\"{WIDTH}\" \
         height=\"{y}\" class=\"page\"/>\n{text}</svg>\n"
    )
}

impl Drawing {
    fn rectangle(&mut self, class: &str, x: usize, y: usize, (width, height): (usize, usize)) {
        // Writing to a String does not fail, here and below.
        _ = writeln!(
            self.text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{class}\"/>"
        );
    }

    /// Writes text into `width` pixels. What does not fit is in the middle left out, and shown when
    /// the pointer is over it.
    fn label(&mut self, class: &str, x: usize, y: usize, width: usize, text: &str) {
        let shown = shorten(text, width / CHARACTER);
        let title =
            if shown == text { String::new() } else { format!("<title>{}</title>", escape(text)) };
        let shown = escape(&shown);
        _ = writeln!(
            self.text,
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{title}{shown}</text>"
        );
    }

    fn heading(&mut self, text: &str) {
        self.label("title", MARGIN, self.y + LINE / 2, INNER, text);
        self.y += LINE;
    }

    /// Draws the CPUs with their affinities and owners.
    fn cpus(&mut self, machine: &Machine, plan: &Plan) {
        self.heading("CPUs");
        let in_row = INNER / CPU.0;
        for index in 0..machine.cpus.len() {
            let (x, y) = (MARGIN + index % in_row * CPU.0, self.y + index / in_row * CPU.1);
            let owner = plan.partitions.iter().position(|it| it.cpus.contains(&index));
            let (class, on, name) = match owner {
                Some(owner) => (class(owner), "on", &*plan.partitions[owner].name),
                None if plan.console_cpu == Some(index) => ("own".into(), "on", "console"),
                None => ("free".into(), "", "-"),
            };
            self.rectangle(&class, x, y, (CPU.0 - GAP, CPU.1 - GAP));
            let width = CPU.0 - 2 * GAP;
            self.label(on, x + GAP / 2, y + LINE - 2, width, &cpu_ids(machine, &[index]));
            self.label(on, x + GAP / 2, y + 2 * LINE - 2, width, name);
        }
        self.y += machine.cpus.len().div_ceil(in_row) * CPU.1 + LINE;
    }

    /// Draws the banks of memory, with the partitions' parts and those that Bulkhead and firmware
    /// keep.
    fn memory(&mut self, machine: &Machine, plan: &Plan) {
        for bank in &machine.memory {
            self.heading(&format!("memory {bank}, {}", Bytes(bank.size())));
            let y = self.y;
            self.rectangle("free", MARGIN, y, (INNER, BAR));
            for reserved in &machine.reserved {
                self.part("own", bank, &reserved.region, &reserved.owner);
            }
            self.part("own", bank, &plan.table_memory, "translation tables");
            for (number, one) in plan.partitions.iter().enumerate() {
                let PartitionPlan { name, memory, disks, shared_memory, .. } = one;
                self.part(&class(number), bank, &memory.host, name);
                for disk in disks {
                    if let Some(memory) = disk.own_memory() {
                        self.part(&class(number), bank, &memory, &format!("{name}/{}", disk.name));
                    }
                }
                for port in shared_memory.iter() {
                    if let Some(memory) = port.own_memory() {
                        self.part("own", bank, &memory, &port.name);
                    }
                }
            }
            self.rectangle("edge", MARGIN, y, (INNER, BAR));
            self.y += BAR + LINE;
        }
    }

    /// Draws the part of a bank that `region` takes, if it takes any.
    fn part(&mut self, class: &str, bank: &Region<Pa>, region: &Region<Pa>, name: &str) {
        if !bank.overlaps(region) {
            return;
        }
        let scale = |address: Pa| {
            let offset = address.get().saturating_sub(bank.start().get()).min(bank.size());
            (u128::from(offset) * INNER as u128 / u128::from(bank.size())) as usize
        };
        let (start, end) = (scale(region.start()), scale(region.end()));
        // A small part is drawn a little larger, so that it can be seen.
        let width = end.saturating_sub(start).max(2);
        self.rectangle(class, MARGIN + start, self.y, (width, BAR));
        if width > 5 * CHARACTER {
            let (x, room) = (MARGIN + start + GAP / 2, width - GAP);
            self.label("on", x, self.y + LINE - 2, room, name);
            self.label("on", x, self.y + 2 * LINE - 4, room, &Bytes(region.size()).to_string());
        }
    }

    /// Draws the partitions, and then what is left.
    fn cards(&mut self, machine: &Machine, plan: &Plan) {
        let mut cards: Vec<_> = plan
            .partitions
            .iter()
            .enumerate()
            .map(|(number, partition)| {
                (class(number), partition.name.clone(), partition_lines(machine, partition))
            })
            .collect();
        let left = (0..machine.cpus.len())
            .filter(|cpu| !plan.partitions.iter().any(|partition| partition.cpus.contains(cpu)));
        let mut lines = vec![(
            "",
            format!("CPUs      {}", or_dash(cpu_ids(machine, &left.collect::<Vec<_>>()))),
        )];
        if let Some(console) = &machine.console {
            lines.push(("", format!("console   {}", console.path)));
        }
        lines
            .extend(machine.reserved.iter().map(|it| ("", format!("{}  {}", it.region, it.owner))));
        cards.push(("own".into(), "Bulkhead and nobody".into(), lines));
        for pair in cards.chunks(2) {
            let most = pair.iter().map(|(.., lines)| lines.len()).max().unwrap_or_default();
            let height = HEADING + most * LINE + GAP;
            for (column, (class, name, lines)) in pair.iter().enumerate() {
                let x = MARGIN + column * (CARD + MARGIN);
                self.rectangle(class, x, self.y, (CARD, HEADING));
                self.rectangle("edge", x, self.y, (CARD, height));
                self.label("on", x + GAP, self.y + LINE, CARD - 2 * GAP, name);
                for (index, (class, line)) in lines.iter().enumerate() {
                    let y = self.y + HEADING + (index + 1) * LINE - 2;
                    self.label(class, x + GAP, y, CARD - 2 * GAP, line);
                }
            }
            self.y += height + MARGIN;
        }
    }
}

/// Returns the lines of a partition's card, each with its class.
fn partition_lines(machine: &Machine, partition: &PartitionPlan) -> Vec<(&'static str, String)> {
    let PartitionPlan { memory, disks, passthrough, devices, delivery, .. } = partition;
    let delivery = match delivery {
        Delivery::Direct => "direct",
        Delivery::Trapped => "trapped",
    };
    let mut lines = vec![
        ("", format!("CPUs      {}", cpu_ids(machine, &partition.cpus))),
        ("", format!("memory    {}, {delivery} interrupts", Bytes(memory.host.size()))),
        ("", format!("physical  {}", memory.host)),
        ("", format!("guest     {}", memory.guest)),
    ];
    for disk in disks {
        let PlannedDisk { name, host, is_read_only, .. } = disk;
        let access = if *is_read_only { "read" } else { "read, write" };
        let place = disk.guest().map_or("by virtio".into(), |it| format!("at {}", it.start()));
        let size = Bytes(host.size());
        lines.push(("", format!("disk      {name}, {size} {place}, {access}")));
        lines.push(("", format!("physical  {host}")));
    }
    for port in &partition.shared_memory {
        let (size, guest) = (Bytes(port.place.host.size()), port.place.guest.start());
        lines.push(("", format!("shares    {}, {size} at {guest}", port.name)));
    }
    lines.extend(
        passthrough.iter().map(|device| ("", format!("owns      {}", device_text(device)))),
    );
    for device in devices.iter().filter(|device| device.intid.is_some()) {
        let interrupt = device.intid.map(|intid| format!(" ({intid})")).unwrap_or_default();
        lines.push(("", format!("emulated  {}{interrupt}", device.kind.facts().name)));
    }
    if partition.dma_unprotected {
        lines.push(("warning", "DMA unprotected: its devices reach all memory".into()));
    }
    lines
}

/// Returns the path of a device and its interrupts.
fn device_text(device: &Device) -> String {
    let intids: Vec<_> = device.interrupts.iter().map(|it| it.intid.to_string()).collect();
    if intids.is_empty() {
        device.path.clone()
    } else {
        format!("{} ({})", device.path, intids.join(" "))
    }
}

fn gic_name(machine: &Machine) -> &'static str {
    match machine.gic {
        Gic::V2 { .. } => "GICv2",
        Gic::V3 { .. } => "GICv3",
    }
}

/// Returns the class of the partition with this number.
fn class(number: usize) -> String {
    format!("p{}", number % COLOURS.len())
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

/// Returns at most `most` characters of a text: its start and its end, with dots in between.
fn shorten(text: &str, most: usize) -> String {
    let characters: Vec<_> = text.chars().collect();
    if characters.len() <= most {
        return text.into();
    }
    let kept = most.saturating_sub(2);
    let (start, end) = (kept - kept / 2, characters.len() - kept / 2);
    let parts = [&characters[..start], &['.', '.'], &characters[end..]];
    parts.concat().into_iter().take(most).collect()
}

/// Returns text in which no character is markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}
