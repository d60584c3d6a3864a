# Works out again, in base R and by other code, what the tables say:
#   1. shares and their Wilson limits from the counts of every observed-case estimate;
#   2. cumulative incidence (Aalen-Johansen; Kaplan-Meier where there is one event) from the curves' counts.
# Usage: Rscript recompute.R       Ends with status 1 where a figure differs by more than 1e-6.
# Rows whose counts are hidden, and curves released without counts, cannot be worked out and are counted.

script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- if (length(script)) dirname(script) else "."
source(file.path(here, "read_tables.R"))
tables <- read_tables(here)
tolerance <- 1e-6
wrong <- 0

wilson <- function(k, n, level) {
  z <- qnorm(1 - (1 - level) / 2)
  p <- k / n
  centre <- (p + z^2 / (2 * n)) / (1 + z^2 / n)
  half <- z / (1 + z^2 / n) * sqrt(p * (1 - p) / n + z^2 / (4 * n^2))
  data.frame(estimate = p, lower = pmax(0, centre - half), upper = pmin(1, centre + half))
}

differs <- function(a, b) any(abs(a - b) > tolerance)

e <- tables$estimates
e <- e[!is.na(e$method) & grepl("^Wilson", e$method) & !is.na(e$estimate), ]
usable <- !is.na(e$n) & !is.na(e$n_events) & e$n > 0
cat(sum(usable), "shares with Wilson limits;", sum(!usable), "without counts\n")
e <- e[usable, ]
if (nrow(e)) {
  again <- wilson(e$n_events, e$n, e$level)
  for (name in names(again)) {
    off <- abs(again[[name]] - e[[name]]) > tolerance
    cat("  ", name, ": ", sum(off), " differ\n", sep = "")
    wrong <- wrong + sum(off)
  }
}

incidence <- function(rows) {
  survival <- 1
  sums <- list()
  off <- 0
  for (day in sort(unique(rows$time_days))) {
    now <- rows[rows$time_days == day, ]
    for (i in seq_len(nrow(now))) {
      event <- now$event[i]
      before <- if (is.null(sums[[event]])) 0 else sums[[event]]
      sums[[event]] <- before + survival * now$n_events[i] / now$n_at_risk[i]
      off <- off + differs(sums[[event]], now$estimate[i])
    }
    survival <- survival * (1 - sum(now$n_events) / now$n_at_risk[1])
  }
  off
}

curves <- tables$curves
curves <- curves[!is.na(curves$estimate), ]
key <- paste(curves$curve, curves$group_variable, curves$group_level, sep = " | ")
for (name in unique(key)) {
  rows <- curves[key == name, ]
  if (anyNA(rows$n_at_risk) || anyNA(rows$n_events) || any(rows$n_at_risk == 0)) {
    cat("no counts: ", name, "\n", sep = "")
    next
  }
  off <- incidence(rows)
  if (off > 0) cat(name, ": ", off, " steps differ\n", sep = "")
  wrong <- wrong + off
}
cat(length(unique(key)), "curves worked out again\n")
if (wrong > 0) {
  cat(wrong, "figures differ\n")
  quit(status = 1)
}
cat("all agree\n")
