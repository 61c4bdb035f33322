"""Reports of a school's safety: daily (零报告), weekly, monthly (月研判). Pure: from the journal's past and facts handed in."""
